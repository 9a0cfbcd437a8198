// {{TITLE}}
// Written by the instability kit; {{CHECKED}}
// Decode the picture with {{DECODER}} first, upright (EXIF orientation applied): 8-bit R, G, B, row by row.
// Compile with -ffp-contract=off where the processor has fused multiply-add, or values move by a rounding.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace preprocessing {

constexpr int kHeight = {{HEIGHT}}, kWidth = {{WIDTH}};
const double kPi = 3.14159265358979323846;

struct Picture {
  int height, width;
  std::vector<uint8_t> rgb;
  uint8_t at(int y, int x, int c) const { return rgb[(static_cast<size_t>(y) * width + x) * 3 + c]; }
  uint8_t& at(int y, int x, int c) { return rgb[(static_cast<size_t>(y) * width + x) * 3 + c]; }
};

static Picture blank(int height, int width, int level) {
  return {height, width, std::vector<uint8_t>(static_cast<size_t>(height) * width * 3, static_cast<uint8_t>(level))};
}

//[pillow
// Pillow's Resample.c for 8 bits: weights in 22 binary places, columns first, each pass rounded to bytes.
static double kernel(double x) {
  x = std::fabs(x);
  {{PILLOW_KERNEL}}
}

static void taps(int before, int after, std::vector<int>& first, std::vector<std::vector<int>>& weights) {
  const double scale = static_cast<double>(before) / after, stretch = std::max(scale, 1.0);
  const double support = {{PILLOW_SUPPORT}} * stretch;
  for (int i = 0; i < after; ++i) {
    const double centre = (i + 0.5) * scale;
    const int low = std::max(static_cast<int>(centre - support + 0.5), 0);
    const int high = std::min(static_cast<int>(centre + support + 0.5), before);
    std::vector<double> real;
    double sum = 0;
    for (int j = low; j < high; ++j) {
      real.push_back(kernel((j - centre + 0.5) * (1.0 / stretch)));
      sum += real.back();
    }
    std::vector<int> whole;
    for (double one : real) {
      const double share = (sum != 0 ? one / sum : one) * (1 << 22);
      whole.push_back(static_cast<int>(share < 0 ? share - 0.5 : share + 0.5));
    }
    first.push_back(low);
    weights.push_back(whole);
  }
}

static Picture resize(const Picture& old, int height, int width) {
  std::vector<int> left, top;
  std::vector<std::vector<int>> across, down;
  taps(old.width, width, left, across);
  taps(old.height, height, top, down);
  Picture wide = blank(old.height, width, 0), made = blank(height, width, 0);
  for (int y = 0; y < old.height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c) {
        int sum = 1 << 21;
        for (size_t k = 0; k < across[x].size(); ++k) sum += old.at(y, left[x] + static_cast<int>(k), c) * across[x][k];
        wide.at(y, x, c) = static_cast<uint8_t>(std::clamp(sum >> 22, 0, 255));
      }
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c) {
        int sum = 1 << 21;
        for (size_t k = 0; k < down[y].size(); ++k) sum += wide.at(top[y] + static_cast<int>(k), x, c) * down[y][k];
        made.at(y, x, c) = static_cast<uint8_t>(std::clamp(sum >> 22, 0, 255));
      }
  return made;
}
//]
//[float
// Real numbers: rows first, 32-bit sums, rounded once, halves to even.
[[maybe_unused]] static double triangle(double x) { return std::max(1 - std::fabs(x), 0.0); }

[[maybe_unused]] static double cubic(double x, double a) {
  x = std::fabs(x);
  if (x <= 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
  if (x < 2) return ((x - 5) * x + 8) * x * a - 4 * a;
  return 0;
}

struct Taps {
  std::vector<int> at;
  std::vector<float> weight;
};

[[maybe_unused]] static Taps linear(double at, int before) {
  const int low = std::min(static_cast<int>(std::floor(at)), before - 1);
  const double part = low < before - 1 ? at - low : 0;
  return {{low, std::min(low + 1, before - 1)}, {static_cast<float>(1 - part), static_cast<float>(part)}};
}

[[maybe_unused]] static Taps sampledCubic(double at, int before) {
  Taps taps;
  for (int j = static_cast<int>(std::floor(at)) - 1, k = 0; k < 4; ++j, ++k) {
    taps.at.push_back(std::clamp(j, 0, before - 1));
    taps.weight.push_back(static_cast<float>(cubic(at - j, -0.75)));
  }
  return taps;
}

template <class Kernel>
[[maybe_unused]] static Taps filtered(int i, int before, int after, Kernel kernel, int radius) {
  const double ratio = static_cast<double>(before) / after, stretch = std::max(ratio, 1.0);
  const double centre = (i + 0.5) * ratio;
  const int first = static_cast<int>(std::floor(centre - radius * stretch + 0.5));
  const int count = static_cast<int>(std::ceil(2 * radius * stretch)) + 1;
  std::vector<double> real;
  double sum = 0;
  for (int j = first; j < first + count; ++j) {
    real.push_back(j >= 0 && j < before ? kernel((j + 0.5 - centre) / stretch) : 0.0);
    sum += real.back();
  }
  Taps taps;
  for (int k = 0; k < count; ++k) {
    taps.at.push_back(std::clamp(first + k, 0, before - 1));
    taps.weight.push_back(static_cast<float>(real[k] / sum));
  }
  return taps;
}

static Taps taps(int i, int before, int after) {
  const double ratio = static_cast<double>(before) / after;
  (void)ratio;
  return {{FLOAT_TAPS}};
}

static Picture resize(const Picture& old, int height, int width) {
  std::vector<float> tall(static_cast<size_t>(height) * old.width * 3, 0.0f);
  const size_t row = static_cast<size_t>(old.width) * 3;
  for (int y = 0; y < height; ++y) {
    const Taps down = taps(y, old.height, height);
    for (size_t k = 0; k < down.at.size(); ++k)
      for (size_t x = 0; x < row; ++x) tall[y * row + x] += static_cast<float>(old.rgb[down.at[k] * row + x]) * down.weight[k];
  }
  Picture made = blank(height, width, 0);
  for (int x = 0; x < width; ++x) {
    const Taps across = taps(x, old.width, width);
    for (int y = 0; y < height; ++y)
      for (int c = 0; c < 3; ++c) {
        float sum = 0;
        for (size_t k = 0; k < across.at.size(); ++k) sum += tall[y * row + across.at[k] * 3 + c] * across.weight[k];
        made.at(y, x, c) = static_cast<uint8_t>(std::clamp(std::nearbyint(sum), 0.0f, 255.0f));
      }
  }
  return made;
}
//]
//[opencv-linear
// OpenCV's INTER_LINEAR for 8 bits (resize.cpp): positions in 32-bit floats, weights in 11 binary places.
static void taps(int i, int before, int after, bool columns, int& low, int& high, int& lowWeight, int& highWeight) {
  const double scale = 1.0 / (static_cast<double>(after) / before);
  float part = static_cast<float>((i + 0.5) * scale - 0.5);
  low = static_cast<int>(std::floor(part));
  part -= static_cast<float>(low);
  // At the edges OpenCV moves the weight for columns, and the row's number for rows, which rounds otherwise.
  if (columns && (low < 0 || low >= before - 1)) part = 0;
  high = std::clamp(low + 1, 0, before - 1);
  low = std::clamp(low, 0, before - 1);
  lowWeight = static_cast<int>(std::nearbyint((1.0f - part) * 2048.0f));
  highWeight = static_cast<int>(std::nearbyint(part * 2048.0f));
}

static Picture resize(const Picture& old, int height, int width) {
  Picture made = blank(height, width, 0);
  for (int y = 0; y < height; ++y) {
    int top, bottom, upper, lower;
    taps(y, old.height, height, false, top, bottom, upper, lower);
    for (int x = 0; x < width; ++x) {
      int left, right, before, behind;
      taps(x, old.width, width, true, left, right, before, behind);
      for (int c = 0; c < 3; ++c) {
        const int first = old.at(top, left, c) * before + old.at(top, right, c) * behind;
        const int second = old.at(bottom, left, c) * before + old.at(bottom, right, c) * behind;
        const int sum = ((upper * (first >> 4)) >> 16) + ((lower * (second >> 4)) >> 16);
        made.at(y, x, c) = static_cast<uint8_t>(std::clamp((sum + 2) >> 2, 0, 255));
      }
    }
  }
  return made;
}
//]
//[nearest
static int nearest(int i, int before, int after) {
  const double scale = static_cast<double>(before) / after;
  return std::min(static_cast<int>(std::floor(i * scale)), before - 1);
}

static Picture resize(const Picture& old, int height, int width) {
  Picture made = blank(height, width, 0);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c) made.at(y, x, c) = old.at(nearest(y, old.height, height), nearest(x, old.width, width), c);
  return made;
}
//]

//[crop
static Picture centreCrop(const Picture& old) {
  const int top = static_cast<int>({{WHOLE_OFFSET}}((old.height - kHeight) / 2.0));
  const int left = static_cast<int>({{WHOLE_OFFSET}}((old.width - kWidth) / 2.0));
  Picture made = blank(kHeight, kWidth, 0);
  for (int y = 0; y < kHeight; ++y)
    for (int x = 0; x < kWidth; ++x)
      for (int c = 0; c < 3; ++c) made.at(y, x, c) = old.at(top + y, left + x, c);
  return made;
}
//]

// The bytes that are scaled: kHeight x kWidth, R, G, B.
Picture fit(const Picture& old) {
//[fit-squash
  return resize(old, kHeight, kWidth);
//]
//[fit-squash-crop
  return centreCrop(resize(old, {{TARGET_HEIGHT}}, {{TARGET_WIDTH}}));
//]
//[fit-cover
  int height = {{TARGET_HEIGHT}}, width = {{TARGET_WIDTH}};
  if (static_cast<int64_t>(old.height) * kWidth < static_cast<int64_t>(old.width) * kHeight)
    width = static_cast<int>({{WHOLE_SIDE}}(static_cast<double>(static_cast<int64_t>(height) * old.width) / old.height));
  else
    height = static_cast<int>({{WHOLE_SIDE}}(static_cast<double>(static_cast<int64_t>(width) * old.height) / old.width));
  return centreCrop(old.height == height && old.width == width ? old : resize(old, height, width));
//]
//[fit-letterbox
  const double ratio = std::min(static_cast<double>(kHeight) / old.height, static_cast<double>(kWidth) / old.width);
  const int height = std::min(kHeight, std::max(1, static_cast<int>(std::nearbyint(old.height * ratio))));
  const int width = std::min(kWidth, std::max(1, static_cast<int>(std::nearbyint(old.width * ratio))));
  const Picture inner = resize(old, height, width);
  Picture made = blank(kHeight, kWidth, {{PADDING}});
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c) made.at((kHeight - height) / 2 + y, (kWidth - width) / 2 + x, c) = inner.at(y, x, c);
  return made;
//]
}

// The model's input tensor, {{LAYOUT}}.
std::vector<{{CPP_TYPE}}> tensor(const Picture& fitted) {
  std::vector<{{CPP_TYPE}}> made(static_cast<size_t>(kHeight) * kWidth * 3);
//[scaled
  const float means[3] = {{{MEANS}}}, deviations[3] = {{{DEVIATIONS}}};
//]
  const int from[3] = {{{FROM}}};
  for (int y = 0; y < kHeight; ++y)
    for (int x = 0; x < kWidth; ++x)
      for (int c = 0; c < 3; ++c) {
        const size_t place = {{PLACE}};
//[scaled
        const int k = {{MEAN_OF}};
        made[place] = (static_cast<float>(fitted.at(y, x, from[c])) / {{DIVISOR}}f - means[k]) / deviations[k];
//]
//[bytes
        made[place] = fitted.at(y, x, from[c]);
//]
      }
  return made;
}

}  // namespace preprocessing

#ifdef PREPROCESS_MAIN
// HEIGHT WIDTH, then the decoded bytes on standard input; the fitted bytes, then the tensor on standard output.
int main(int count, char** words) {
  if (count != 3) return 2;
  preprocessing::Picture picture = preprocessing::blank(std::atoi(words[1]), std::atoi(words[2]), 0);
  if (std::fread(picture.rgb.data(), 1, picture.rgb.size(), stdin) != picture.rgb.size()) return 2;
  const preprocessing::Picture fitted = preprocessing::fit(picture);
  const auto made = preprocessing::tensor(fitted);
  std::fwrite(fitted.rgb.data(), 1, fitted.rgb.size(), stdout);
  std::fwrite(made.data(), sizeof(made[0]), made.size(), stdout);
  return 0;
}
#endif
