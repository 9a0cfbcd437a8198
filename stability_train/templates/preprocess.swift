// {{TITLE}}
// Written by the instability kit; {{CHECKED}}
// Decode the picture with {{DECODER}} first, upright (EXIF orientation applied): 8-bit R, G, B, row by row.
// It follows preprocess.cpp line by line, and that one is compiled and compared with the training's pixels.
import Foundation

enum Preprocessing {
  static let kHeight = {{HEIGHT}}
  static let kWidth = {{WIDTH}}
  static let kPi = Double.pi

  /// Bytes R, G, B, row by row.
  struct Picture {
    let height: Int
    let width: Int
    var rgb: [UInt8]

    init(height: Int, width: Int, level: UInt8 = 0) {
      self.height = height
      self.width = width
      rgb = [UInt8](repeating: level, count: height * width * 3)
    }

    subscript(y: Int, x: Int, c: Int) -> Int {
      get { Int(rgb[(y * width + x) * 3 + c]) }
      set { rgb[(y * width + x) * 3 + c] = UInt8(min(max(newValue, 0), 255)) }
    }
  }

//[pillow
  // Pillow's Resample.c for 8 bits: weights in 22 binary places, columns first, each pass rounded to bytes.
  static func kernel(_ distance: Double) -> Double {
    let x = abs(distance)
    {{PILLOW_KERNEL}}
  }

  static func taps(_ before: Int, _ after: Int) -> [(first: Int, weights: [Int])] {
    let scale = Double(before) / Double(after)
    let stretch = max(scale, 1.0)
    let support = {{PILLOW_SUPPORT}} * stretch
    return (0..<after).map { i in
      let centre = (Double(i) + 0.5) * scale
      let low = max(Int(centre - support + 0.5), 0)
      let high = min(Int(centre + support + 0.5), before)
      let real = (low..<high).map { kernel((Double($0) - centre + 0.5) * (1.0 / stretch)) }
      let sum = real.reduce(0.0, +)
      let whole = real.map { one -> Int in
        let share = (sum != 0 ? one / sum : one) * Double(1 << 22)
        return Int(share < 0 ? share - 0.5 : share + 0.5)
      }
      return (first: low, weights: whole)
    }
  }

  static func resize(_ old: Picture, _ height: Int, _ width: Int) -> Picture {
    let across = taps(old.width, width)
    let down = taps(old.height, height)
    var wide = Picture(height: old.height, width: width)
    var made = Picture(height: height, width: width)
    for y in 0..<old.height { for x in 0..<width { for c in 0..<3 {
      var sum = 1 << 21
      for k in across[x].weights.indices { sum += old[y, across[x].first + k, c] * across[x].weights[k] }
      wide[y, x, c] = sum >> 22
    } } }
    for y in 0..<height { for x in 0..<width { for c in 0..<3 {
      var sum = 1 << 21
      for k in down[y].weights.indices { sum += wide[down[y].first + k, x, c] * down[y].weights[k] }
      made[y, x, c] = sum >> 22
    } } }
    return made
  }
//]
//[float
  // Real numbers: rows first, 32-bit sums, rounded once, halves to even.
  typealias Taps = (at: [Int], weight: [Float])

  static func triangle(_ x: Double) -> Double { max(1 - abs(x), 0.0) }

  static func cubic(_ distance: Double, _ a: Double) -> Double {
    let x = abs(distance)
    if x <= 1 { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    if x < 2 { return ((x - 5) * x + 8) * x * a - 4 * a }
    return 0
  }

  static func clamped(_ position: Int, _ before: Int) -> Int { min(max(position, 0), before - 1) }

  static func linear(_ at: Double, _ before: Int) -> Taps {
    let low = min(Int(floor(at)), before - 1)
    let part = low < before - 1 ? at - Double(low) : 0
    return (at: [low, min(low + 1, before - 1)], weight: [Float(1 - part), Float(part)])
  }

  static func sampledCubic(_ at: Double, _ before: Int) -> Taps {
    let positions = (0..<4).map { Int(floor(at)) - 1 + $0 }
    return (at: positions.map { clamped($0, before) }, weight: positions.map { Float(cubic(at - Double($0), -0.75)) })
  }

  static func filtered(_ i: Int, _ before: Int, _ after: Int, _ kernel: (Double) -> Double, _ radius: Int) -> Taps {
    let ratio = Double(before) / Double(after)
    let stretch = max(ratio, 1.0)
    let centre = (Double(i) + 0.5) * ratio
    let first = Int(floor(centre - Double(radius) * stretch + 0.5))
    let count = Int(ceil(Double(2 * radius) * stretch)) + 1
    let real = (first..<(first + count)).map { j in
      j >= 0 && j < before ? kernel((Double(j) + 0.5 - centre) / stretch) : 0.0
    }
    let sum = real.reduce(0.0, +)
    return (at: (first..<(first + count)).map { clamped($0, before) }, weight: real.map { Float($0 / sum) })
  }

  static func taps(_ number: Int, _ before: Int, _ after: Int) -> Taps {
    let ratio = Double(before) / Double(after)
    _ = ratio
    return {{FLOAT_TAPS}}
  }

  static func resize(_ old: Picture, _ height: Int, _ width: Int) -> Picture {
    let row = old.width * 3
    var tall = [Float](repeating: 0, count: height * row)
    for y in 0..<height {
      let down = taps(y, old.height, height)
      for k in down.at.indices { for x in 0..<row {
        tall[y * row + x] += Float(old.rgb[down.at[k] * row + x]) * down.weight[k]
      } }
    }
    var made = Picture(height: height, width: width)
    for x in 0..<width {
      let across = taps(x, old.width, width)
      for y in 0..<height { for c in 0..<3 {
        var sum: Float = 0
        for k in across.at.indices { sum += tall[y * row + across.at[k] * 3 + c] * across.weight[k] }
        made[y, x, c] = Int(rint(sum))
      } }
    }
    return made
  }
//]
//[opencv-linear
  // OpenCV's INTER_LINEAR for 8 bits (resize.cpp): positions in 32-bit floats, weights in 11 binary places.
  typealias Taps = (low: Int, high: Int, lowWeight: Int, highWeight: Int)

  static func taps(_ i: Int, _ before: Int, _ after: Int, _ columns: Bool) -> Taps {
    let scale = 1.0 / (Double(after) / Double(before))
    var part = Float((Double(i) + 0.5) * scale - 0.5)
    let low = Int(floor(part))
    part -= Float(low)
    // At the edges OpenCV moves the weight for columns, and the row's number for rows, which rounds otherwise.
    if columns && (low < 0 || low >= before - 1) { part = 0 }
    return (
      low: min(max(low, 0), before - 1), high: min(max(low + 1, 0), before - 1),
      lowWeight: Int(rint((1 - part) * 2048)), highWeight: Int(rint(part * 2048))
    )
  }

  static func resize(_ old: Picture, _ height: Int, _ width: Int) -> Picture {
    var made = Picture(height: height, width: width)
    for y in 0..<height {
      let down = taps(y, old.height, height, false)
      for x in 0..<width {
        let across = taps(x, old.width, width, true)
        for c in 0..<3 {
          let first = old[down.low, across.low, c] * across.lowWeight + old[down.low, across.high, c] * across.highWeight
          let second = old[down.high, across.low, c] * across.lowWeight + old[down.high, across.high, c] * across.highWeight
          let sum = ((down.lowWeight * (first >> 4)) >> 16) + ((down.highWeight * (second >> 4)) >> 16)
          made[y, x, c] = (sum + 2) >> 2
        }
      }
    }
    return made
  }
//]
//[nearest
  static func nearest(_ i: Int, _ before: Int, _ after: Int) -> Int {
    let scale = Double(before) / Double(after)
    return min(Int(floor(Double(i) * scale)), before - 1)
  }

  static func resize(_ old: Picture, _ height: Int, _ width: Int) -> Picture {
    var made = Picture(height: height, width: width)
    for y in 0..<height { for x in 0..<width { for c in 0..<3 {
      made[y, x, c] = old[nearest(y, old.height, height), nearest(x, old.width, width), c]
    } } }
    return made
  }
//]
//[crop

  static func centreCrop(_ old: Picture) -> Picture {
    let top = Int({{WHOLE_OFFSET}}(Double(old.height - kHeight) / 2.0))
    let left = Int({{WHOLE_OFFSET}}(Double(old.width - kWidth) / 2.0))
    var made = Picture(height: kHeight, width: kWidth)
    for y in 0..<kHeight { for x in 0..<kWidth { for c in 0..<3 { made[y, x, c] = old[top + y, left + x, c] } } }
    return made
  }
//]

  /// The bytes that are scaled: kHeight x kWidth, R, G, B.
  static func fit(_ old: Picture) -> Picture {
//[fit-squash
    return resize(old, kHeight, kWidth)
//]
//[fit-squash-crop
    return centreCrop(resize(old, {{TARGET_HEIGHT}}, {{TARGET_WIDTH}}))
//]
//[fit-cover
    var height = {{TARGET_HEIGHT}}
    var width = {{TARGET_WIDTH}}
    if old.height * kWidth < old.width * kHeight {
      width = Int({{WHOLE_SIDE}}(Double(height * old.width) / Double(old.height)))
    } else {
      height = Int({{WHOLE_SIDE}}(Double(width * old.height) / Double(old.width)))
    }
    return centreCrop(old.height == height && old.width == width ? old : resize(old, height, width))
//]
//[fit-letterbox
    let ratio = min(Double(kHeight) / Double(old.height), Double(kWidth) / Double(old.width))
    let height = min(kHeight, max(1, Int(rint(Double(old.height) * ratio))))
    let width = min(kWidth, max(1, Int(rint(Double(old.width) * ratio))))
    let inner = resize(old, height, width)
    var made = Picture(height: kHeight, width: kWidth, level: {{PADDING}})
    for y in 0..<height { for x in 0..<width { for c in 0..<3 {
      made[(kHeight - height) / 2 + y, (kWidth - width) / 2 + x, c] = inner[y, x, c]
    } } }
    return made
//]
  }

  /// The model's input tensor, {{LAYOUT}}.
//[bytes
  static func tensor(_ fitted: Picture) -> [UInt8] {
    var made = [UInt8](repeating: 0, count: kHeight * kWidth * 3)
//]
//[scaled
  static func tensor(_ fitted: Picture) -> [Float] {
    var made = [Float](repeating: 0, count: kHeight * kWidth * 3)
    let means: [Float] = [{{MEANS}}]
    let deviations: [Float] = [{{DEVIATIONS}}]
//]
    let from = [{{FROM}}]
    for y in 0..<kHeight { for x in 0..<kWidth { for c in 0..<3 {
      let place = {{PLACE}}
//[bytes
      made[place] = UInt8(fitted[y, x, from[c]])
//]
//[scaled
      let k = {{MEAN_OF}}
      made[place] = (Float(fitted[y, x, from[c]]) / {{DIVISOR}} - means[k]) / deviations[k]
//]
    } } }
    return made
  }
}
