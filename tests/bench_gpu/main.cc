// The engine on a GPU, for take_turns.py and loss_curve.py to compare with PyTorch's.
//
//   bench_gpu device             tells what computes
//   bench_gpu serve [options]    warms up; then reads a number of passes from each line of standard
//                                input, and answers with their times and speed as a line of JSON
//   bench_gpu profile [options]  seconds of a pass on the device by kind of work, with events in
//                                between
//   bench_gpu curve --folder F --steps N
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iostream>
#include <map>

#include <fmt/format.h>
#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "tests/bench_gpu/passes.h"

namespace ballast {
namespace {

constexpr int kWarmUp = 5;

struct Options {
  std::string size = "124M";
  uint32_t batch = 32;
  uint32_t context = 1024;
  std::string precision = "bf16";
  std::string folder;
  int steps = 10;
};

// Layers, heads, channels of GPT-2's sizes.
GptConfig config_of(const Options& options) {
  const std::map<std::string, GptConfig> sizes = {
      {"124M", {.layers = 12, .heads = 12, .channels = 768}},
      {"355M", {.layers = 24, .heads = 16, .channels = 1024}},
      {"774M", {.layers = 36, .heads = 20, .channels = 1280}},
      {"1558M", {.layers = 48, .heads = 25, .channels = 1600}}};
  const auto found = sizes.find(options.size);
  if (found == sizes.end()) stop(options.size + " is no size: 124M, 355M, 774M or 1558M");
  GptConfig config = found->second;
  config.context = options.context;
  config.vocabulary = 50257;
  return config;
}

Precision precision_of(const Options& options) {
  const auto precision = parse_precision(options.precision);
  if (!precision) stop(options.precision + " is no precision: fp32 or bf16");
  return *precision;
}

double milliseconds_now() {
  return std::chrono::duration<double, std::milli>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

void serve(const Options& options) {
  const GptConfig config = config_of(options);
  Passes passes(config, options.batch, precision_of(options));
  for (int i = 0; i < kWarmUp; ++i) (void)passes.pass();
  std::cout << nlohmann::json{{"ready", "ballast " + options.size}}.dump() << std::endl;
  int count = 0;
  while (std::cin >> count) {
    std::vector<double> times;
    double loss = 0;
    for (int i = 0; i < std::max(count, 1); ++i) {
      const double began = milliseconds_now();
      loss = passes.pass();
      times.push_back(milliseconds_now() - began);
    }
    auto sorted = times;
    std::sort(sorted.begin(), sorted.end());
    const double median = sorted[sorted.size() / 2];
    const double tokens_per_second = static_cast<double>(passes.tokens()) / median * 1000;
    const DeviceStatistics device = passes.model().device();
    std::cout << nlohmann::json{{"name",
                                 fmt::format("ballast {} {}", options.size, options.precision)},
                                {"batch", options.batch},
                                {"milliseconds", median},
                                {"steps", times},
                                {"tokens_per_second", tokens_per_second},
                                {"utilisation", tokens_per_second * flop_per_token(config) /
                                                    device.peak_flop_per_second},
                                {"loss", loss},
                                {"memory_bytes", device.memory_bytes}}
                     .dump()
              << std::endl;
  }
}

void profile(const Options& options) {
  Passes passes(config_of(options), options.batch, precision_of(options));
  (void)passes.model().profile();
  for (int i = 0; i < kWarmUp; ++i) (void)passes.pass();
  (void)passes.model().profile();
  const double before = passes.model().device().busy_seconds;
  for (int i = 0; i < options.steps; ++i) (void)passes.pass();
  const double pass = (passes.model().device().busy_seconds - before) / options.steps;
  nlohmann::json kinds;
  double main = 0;  // products and attention
  for (const auto& [kind, seconds] : passes.model().profile()) {
    kinds[kind] = seconds / options.steps;
    if (kind == "products" || kind == "attention") main += seconds / options.steps;
  }
  std::cout << nlohmann::json{{"pass_seconds", pass},
                              {"kinds", kinds},
                              {"share_of_the_rest", 1 - main / pass}}
                   .dump()
            << std::endl;
}

void device() {
  const auto gpu = find_gpu();
  if (!gpu) stop(gpu.error().message);
  if (!*gpu) stop("no GPU");
  fmt::print("{}\n", gpu_numerics_fingerprint(**gpu, Precision::kBf16));
}

void add_model_options(CLI::App& command, Options& options) {
  command.add_option("--size", options.size, "124M, 355M, 774M or 1558M");
  command.add_option("--batch", options.batch, "Sequences of a pass");
  command.add_option("--context", options.context, "Tokens of a sequence");
  command.add_option("--precision", options.precision, "fp32 or bf16");
}

int run(int argc, char** argv) {
  Options options;
  CLI::App app("bench_gpu: the engine on a GPU");
  app.require_subcommand(1);
  app.add_subcommand("device", "What computes")->callback([] { device(); });
  auto* served = app.add_subcommand("serve", "Passes, as many as standard input asks for");
  add_model_options(*served, options);
  served->callback([&] { serve(options); });
  auto* profiled = app.add_subcommand("profile", "Where the time of a pass goes");
  add_model_options(*profiled, options);
  profiled->add_option("--steps", options.steps, "Passes");
  profiled->callback([&] { profile(options); });
  auto* curve = app.add_subcommand("curve", "The losses of a training");
  curve->add_option("--folder", options.folder, "With layout.json and the rest")->required();
  curve->add_option("--steps", options.steps, "Steps");
  curve->callback([&] { write_curve(options.folder, options.steps); });
  CLI11_PARSE(app, argc, argv);
  return 0;
}

}  // namespace
}  // namespace ballast

int main(int argc, char** argv) { return ballast::run(argc, argv); }
