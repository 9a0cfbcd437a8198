// {{TITLE}}
// Written by the instability kit; {{CHECKED}}
// Decode the picture with {{DECODER}} first, upright (EXIF orientation applied): 8-bit R, G, B, row by row.
// It follows preprocess.cpp line by line, and that one is compiled and compared with the training's pixels.
import kotlin.math.*

object Preprocessing {
  const val HEIGHT = {{HEIGHT}}
  const val WIDTH = {{WIDTH}}
  private const val kPi = Math.PI

  /** Bytes R, G, B from 0 to 255, row by row. */
  class Picture(val height: Int, val width: Int, val rgb: IntArray = IntArray(height * width * 3)) {
    operator fun get(y: Int, x: Int, c: Int) = rgb[(y * width + x) * 3 + c]
    operator fun set(y: Int, x: Int, c: Int, level: Int) { rgb[(y * width + x) * 3 + c] = level }
  }

//[pillow
  // Pillow's Resample.c for 8 bits: weights in 22 binary places, columns first, each pass rounded to bytes.
  private fun kernel(distance: Double): Double {
    val x = abs(distance)
    {{PILLOW_KERNEL}}
  }

  private class Taps(val first: Int, val weights: IntArray)

  private fun taps(before: Int, after: Int): List<Taps> {
    val scale = before.toDouble() / after
    val stretch = max(scale, 1.0)
    val support = {{PILLOW_SUPPORT}} * stretch
    return List(after) { i ->
      val centre = (i + 0.5) * scale
      val low = max((centre - support + 0.5).toInt(), 0)
      val high = min((centre + support + 0.5).toInt(), before)
      val real = DoubleArray(high - low) { k -> kernel((low + k - centre + 0.5) * (1.0 / stretch)) }
      var sum = 0.0
      for (one in real) sum += one
      Taps(low, IntArray(real.size) { k ->
        val share = (if (sum != 0.0) real[k] / sum else real[k]) * (1 shl 22)
        (if (share < 0) share - 0.5 else share + 0.5).toInt()
      })
    }
  }

  private fun resize(old: Picture, height: Int, width: Int): Picture {
    val across = taps(old.width, width)
    val down = taps(old.height, height)
    val wide = Picture(old.height, width)
    val made = Picture(height, width)
    for (y in 0 until old.height) for (x in 0 until width) for (c in 0 until 3) {
      var sum = 1 shl 21
      for (k in across[x].weights.indices) sum += old[y, across[x].first + k, c] * across[x].weights[k]
      wide[y, x, c] = (sum shr 22).coerceIn(0, 255)
    }
    for (y in 0 until height) for (x in 0 until width) for (c in 0 until 3) {
      var sum = 1 shl 21
      for (k in down[y].weights.indices) sum += wide[down[y].first + k, x, c] * down[y].weights[k]
      made[y, x, c] = (sum shr 22).coerceIn(0, 255)
    }
    return made
  }
//]
//[float
  // Real numbers: rows first, 32-bit sums, rounded once, halves to even.
  private class Taps(val at: IntArray, val weight: FloatArray)

  private fun triangle(x: Double) = max(1 - abs(x), 0.0)

  private fun cubic(distance: Double, a: Double): Double {
    val x = abs(distance)
    if (x <= 1) { return ((a + 2) * x - (a + 3)) * x * x + 1 }
    if (x < 2) { return ((x - 5) * x + 8) * x * a - 4 * a }
    return 0.0
  }

  private fun linear(at: Double, before: Int): Taps {
    val low = min(floor(at).toInt(), before - 1)
    val part = if (low < before - 1) at - low else 0.0
    return Taps(intArrayOf(low, min(low + 1, before - 1)), floatArrayOf((1 - part).toFloat(), part.toFloat()))
  }

  private fun sampledCubic(at: Double, before: Int): Taps {
    val first = floor(at).toInt() - 1
    return Taps(IntArray(4) { (first + it).coerceIn(0, before - 1) }, FloatArray(4) { cubic(at - (first + it), -0.75).toFloat() })
  }

  private fun filtered(i: Int, before: Int, after: Int, kernel: (Double) -> Double, radius: Int): Taps {
    val ratio = before.toDouble() / after
    val stretch = max(ratio, 1.0)
    val centre = (i + 0.5) * ratio
    val first = floor(centre - radius * stretch + 0.5).toInt()
    val count = ceil(2 * radius * stretch).toInt() + 1
    val real = DoubleArray(count) { k ->
      if (first + k in 0 until before) kernel((first + k + 0.5 - centre) / stretch) else 0.0
    }
    var sum = 0.0
    for (one in real) sum += one
    return Taps(IntArray(count) { (first + it).coerceIn(0, before - 1) }, FloatArray(count) { (real[it] / sum).toFloat() })
  }

  private fun taps(i: Int, before: Int, after: Int): Taps {
    val ratio = before.toDouble() / after
    return {{FLOAT_TAPS}}
  }

  private fun resize(old: Picture, height: Int, width: Int): Picture {
    val row = old.width * 3
    val tall = FloatArray(height * row)
    for (y in 0 until height) {
      val down = taps(y, old.height, height)
      for (k in down.at.indices) for (x in 0 until row) tall[y * row + x] += old.rgb[down.at[k] * row + x].toFloat() * down.weight[k]
    }
    val made = Picture(height, width)
    for (x in 0 until width) {
      val across = taps(x, old.width, width)
      for (y in 0 until height) for (c in 0 until 3) {
        var sum = 0.0f
        for (k in across.at.indices) sum += tall[y * row + across.at[k] * 3 + c] * across.weight[k]
        made[y, x, c] = round(sum.toDouble()).toInt().coerceIn(0, 255)
      }
    }
    return made
  }
//]
//[opencv-linear
  // OpenCV's INTER_LINEAR for 8 bits (resize.cpp): positions in 32-bit floats, weights in 11 binary places.
  private class Taps(val low: Int, val high: Int, val lowWeight: Int, val highWeight: Int)

  private fun taps(i: Int, before: Int, after: Int, columns: Boolean): Taps {
    val scale = 1.0 / (after.toDouble() / before)
    var part = ((i + 0.5) * scale - 0.5).toFloat()
    val low = floor(part).toInt()
    part -= low.toFloat()
    // At the edges OpenCV moves the weight for columns, and the row's number for rows, which rounds otherwise.
    if (columns && (low < 0 || low >= before - 1)) { part = 0.0f }
    return Taps(
      low.coerceIn(0, before - 1), (low + 1).coerceIn(0, before - 1),
      round((1.0f - part) * 2048.0f).toInt(), round(part * 2048.0f).toInt()
    )
  }

  private fun resize(old: Picture, height: Int, width: Int): Picture {
    val made = Picture(height, width)
    for (y in 0 until height) {
      val down = taps(y, old.height, height, false)
      for (x in 0 until width) {
        val across = taps(x, old.width, width, true)
        for (c in 0 until 3) {
          val first = old[down.low, across.low, c] * across.lowWeight + old[down.low, across.high, c] * across.highWeight
          val second = old[down.high, across.low, c] * across.lowWeight + old[down.high, across.high, c] * across.highWeight
          val sum = ((down.lowWeight * (first shr 4)) shr 16) + ((down.highWeight * (second shr 4)) shr 16)
          made[y, x, c] = ((sum + 2) shr 2).coerceIn(0, 255)
        }
      }
    }
    return made
  }
//]
//[nearest
  private fun nearest(i: Int, before: Int, after: Int): Int {
    val scale = before.toDouble() / after
    return min(floor(i * scale).toInt(), before - 1)
  }

  private fun resize(old: Picture, height: Int, width: Int): Picture {
    val made = Picture(height, width)
    for (y in 0 until height) for (x in 0 until width) for (c in 0 until 3) {
      made[y, x, c] = old[nearest(y, old.height, height), nearest(x, old.width, width), c]
    }
    return made
  }
//]
//[crop

  private fun centreCrop(old: Picture): Picture {
    val top = {{WHOLE_OFFSET}}((old.height - HEIGHT) / 2.0).toInt()
    val left = {{WHOLE_OFFSET}}((old.width - WIDTH) / 2.0).toInt()
    val made = Picture(HEIGHT, WIDTH)
    for (y in 0 until HEIGHT) for (x in 0 until WIDTH) for (c in 0 until 3) made[y, x, c] = old[top + y, left + x, c]
    return made
  }
//]

  /** The bytes that are scaled: HEIGHT x WIDTH, R, G, B. */
  fun fit(old: Picture): Picture {
//[fit-squash
    return resize(old, HEIGHT, WIDTH)
//]
//[fit-squash-crop
    return centreCrop(resize(old, {{TARGET_HEIGHT}}, {{TARGET_WIDTH}}))
//]
//[fit-cover
    var height = {{TARGET_HEIGHT}}
    var width = {{TARGET_WIDTH}}
    if (old.height.toLong() * WIDTH < old.width.toLong() * HEIGHT) {
      width = {{WHOLE_SIDE}}((height.toLong() * old.width).toDouble() / old.height).toInt()
    } else {
      height = {{WHOLE_SIDE}}((width.toLong() * old.height).toDouble() / old.width).toInt()
    }
    return centreCrop(if (old.height == height && old.width == width) old else resize(old, height, width))
//]
//[fit-letterbox
    val ratio = min(HEIGHT.toDouble() / old.height, WIDTH.toDouble() / old.width)
    val height = min(HEIGHT, max(1, round(old.height * ratio).toInt()))
    val width = min(WIDTH, max(1, round(old.width * ratio).toInt()))
    val inner = resize(old, height, width)
    val made = Picture(HEIGHT, WIDTH, IntArray(HEIGHT * WIDTH * 3) { {{PADDING}} })
    for (y in 0 until height) for (x in 0 until width) for (c in 0 until 3) {
      made[(HEIGHT - height) / 2 + y, (WIDTH - width) / 2 + x, c] = inner[y, x, c]
    }
    return made
//]
  }

  /** The model's input tensor, {{LAYOUT}}. */
//[bytes
  fun tensor(fitted: Picture): ByteArray {
    val made = ByteArray(HEIGHT * WIDTH * 3)
//]
//[scaled
  fun tensor(fitted: Picture): FloatArray {
    val made = FloatArray(HEIGHT * WIDTH * 3)
    val means = floatArrayOf({{MEANS}})
    val deviations = floatArrayOf({{DEVIATIONS}})
//]
    val from = intArrayOf({{FROM}})
    for (y in 0 until HEIGHT) for (x in 0 until WIDTH) for (c in 0 until 3) {
      val place = {{PLACE}}
//[bytes
      made[place] = fitted[y, x, from[c]].toByte()
//]
//[scaled
      val k = {{MEAN_OF}}
      made[place] = (fitted[y, x, from[c]].toFloat() / {{DIVISOR}}f - means[k]) / deviations[k]
//]
    }
    return made
  }
}
