#include "operator/cmd/summary.h"

#include <cmath>
#include <numbers>

#include <fmt/format.h>

#include "common/human.h"

namespace ballast::cmd {
namespace {

double bits_per_byte(double loss) { return loss / std::numbers::ln2; }

std::string seconds_text(double seconds) {
  return seconds < 1 ? fmt::format("{:.2f} ms", seconds * 1e3) : fmt::format("{:.2f} s", seconds);
}

std::string latency_text(const Latency& latency) {
  return fmt::format("{} median, {} p99", seconds_text(latency.median_seconds),
                     seconds_text(latency.p99_seconds));
}

nlohmann::json latency_json(const Latency& latency) {
  return {{"medianSeconds", latency.median_seconds}, {"p99Seconds", latency.p99_seconds}};
}

void add(std::string& text, const char* name, const std::string& value) {
  text += fmt::format("  {:<16} {}\n", name, value);
}

}  // namespace

std::string summary_text(const Summary& summary) {
  std::string text =
      fmt::format("done: {} steps in {}\n", summary.steps, human_duration_ms(summary.duration_ms));
  if (summary.validation_loss) {
    const double loss = *summary.validation_loss;
    std::string value = fmt::format("{:.4f}  perplexity {:.3f}", loss, std::exp(loss));
    if (summary.byte_tokens) value += fmt::format("  {:.4f} bits per byte", bits_per_byte(loss));
    add(text, "validation loss", value);
  }
  add(text, "training loss", fmt::format("{:.4f}", summary.training_loss));
  add(text, "speed",
      fmt::format("{} tokens/s, {} tokens, first step after {}",
                  human_count(static_cast<uint64_t>(summary.tokens_per_second)),
                  human_count(summary.tokens), human_duration_ms(summary.to_first_step_ms)));
  const Figures& figures = summary.figures;
  if (const double all = figures.parts.sum(); all > 0) {
    add(text, "workers' time",
        fmt::format("compute {:.1f}%  push {:.1f}%  wait {:.1f}%  pull {:.1f}%",
                    100 * figures.parts.compute / all, 100 * figures.parts.push / all,
                    100 * figures.parts.wait / all, 100 * figures.parts.pull / all));
  }
  add(text, "moved",
      fmt::format("{} pushed, {} pulled", human_bytes(static_cast<uint64_t>(figures.pushed_bytes)),
                  human_bytes(static_cast<uint64_t>(figures.pulled_bytes))));
  add(text, "push latency", latency_text(figures.push));
  add(text, "pull latency", latency_text(figures.pull));
  if (summary.skipped > 0) add(text, "skipped steps", std::to_string(summary.skipped));
  if (summary.restarts > 0) add(text, "restarts", std::to_string(summary.restarts));
  if (summary.losses > 0) {
    add(text, "lost",
        fmt::format("{} processes; at most {} without a committed step", summary.losses,
                    human_duration_ms(summary.longest_stall_ms)));
  }
  if (!summary.checkpoint.empty()) add(text, "checkpoint", summary.checkpoint);
  if (!summary.parameters_sha256.empty())
    add(text, "parameters", "SHA-256 " + summary.parameters_sha256);
  return text;
}

nlohmann::json summary_json(const Summary& summary) {
  const Figures& figures = summary.figures;
  nlohmann::json out = {{"event", "end"},
                        {"steps", summary.steps},
                        {"durationMs", summary.duration_ms},
                        {"toFirstStepMs", summary.to_first_step_ms},
                        {"tokens", summary.tokens},
                        {"tokensPerSecond", summary.tokens_per_second},
                        {"skipped", summary.skipped},
                        {"restarts", summary.restarts},
                        {"losses", summary.losses},
                        {"longestStallMs", summary.longest_stall_ms},
                        {"trainingLoss", summary.training_loss},
                        {"checkpoint", summary.checkpoint},
                        {"parametersSha256", summary.parameters_sha256},
                        {"pushedBytes", figures.pushed_bytes},
                        {"pulledBytes", figures.pulled_bytes},
                        {"pushLatency", latency_json(figures.push)},
                        {"pullLatency", latency_json(figures.pull)},
                        {"workerSeconds",
                         {{"compute", figures.parts.compute},
                          {"push", figures.parts.push},
                          {"wait", figures.parts.wait},
                          {"pull", figures.parts.pull}}}};
  if (summary.validation_loss) {
    out["validationLoss"] = *summary.validation_loss;
    out["perplexity"] = std::exp(*summary.validation_loss);
    if (summary.byte_tokens) out["bitsPerByte"] = bits_per_byte(*summary.validation_loss);
  }
  return out;
}

}  // namespace ballast::cmd
