#include "operator/cmd/generate_command.h"

#include <cstdio>
#include <optional>
#include <span>
#include <vector>

#include "common/cgroup.h"
#include "common/exit_code.h"
#include "operator/cmd/checkpoint_model.h"
#include "operator/cmd/text_stream.h"
#include "services/engine/generate.h"

namespace ballast::cmd {
namespace {

int refuse(const Error& error) {
  std::fprintf(stderr, "ballast generate: %s\n", error.message.c_str());
  return to_status(ExitCode::kUsage);
}

// False when nobody can read it any more.
bool show(const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
         std::fflush(stdout) == 0;
}

// Whether all was shown.
Result<bool> write_text(const CheckpointModel& model, const std::vector<Token>& prompt,
                        const GenerateCommandOptions& options) {
  ThreadPool pool(static_cast<size_t>(options.threads > 0 ? options.threads : usable_threads()));
  const Compute compute{&pool, &best_kernels()};
  std::optional<Gpt> whole;
  std::optional<Decoder> decoder;
  const NextLogits next =
      options.no_cache ? whole_logits(whole.emplace(model.config, 1, compute), model.parameters)
                       : cached_logits(decoder.emplace(model.config, model.parameters, compute));
  TextStream stream;
  bool shown = true;
  GenerateOptions wanted{.tokens = options.tokens,
                         .seed = options.seed,
                         .sampling = {.temperature = options.temperature,
                                      .top_k = options.top_k,
                                      .top_p = options.top_p},
                         .told = {}};
  wanted.told = [&](uint32_t token) {
    shown = show(stream.add(model.tokenizer->decode(std::span(&token, 1))));
    return shown;
  };
  if (auto right = check_generate(model.config, prompt, wanted); !right) {
    return tl::unexpected(right.error());
  }
  if (options.prompt != kDefaultPrompt) shown = show(stream.add(options.prompt));
  const auto text = generate(next, model.config, prompt, wanted);
  if (!text) return tl::unexpected(text.error());
  return show(stream.end() + "\n") && shown;
}

}  // namespace

int generate_command(const GenerateCommandOptions& options) {
  std::vector<std::string> passed_over;
  const auto directory = find_checkpoint(options.checkpoint, passed_over);
  for (const std::string& line : passed_over) {
    std::fprintf(stderr, "ballast generate: passed over a damaged checkpoint: %s\n", line.c_str());
  }
  if (!directory) return refuse(directory.error());
  const auto model = open_checkpoint_model(*directory);
  if (!model) return refuse(model.error());
  const auto prompt = encode_prompt(*model->tokenizer, options.prompt);
  if (!prompt) return refuse({prompt.error().code, "--prompt: " + prompt.error().message});
  const auto shown = write_text(*model, *prompt, options);
  if (!shown) return refuse(shown.error());
  if (*shown) return to_status(ExitCode::kDone);
  std::fprintf(stderr, "ballast generate: the text could not be written\n");
  return to_status(ExitCode::kFailed);
}

}  // namespace ballast::cmd
