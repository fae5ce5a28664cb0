#include "operator/cmd/sample_text.h"

#include "services/checkpoint/checkpoint.h"
#include "services/data/tokenizer.h"
#include "services/engine/generate.h"
#include "services/engine/kernels.h"
#include "services/engine/parallel.h"

namespace ballast::cmd {

Result<std::string> sample_text(const api::TrainingJob& job,
                                const std::filesystem::path& checkpoint,
                                const SampleOptions& options) {
  auto tokenizer = make_tokenizer(job.spec.data.tokenizer);
  if (!tokenizer) return tl::unexpected(tokenizer.error());
  auto parameters = read_parameters(checkpoint);
  if (!parameters) return tl::unexpected(parameters.error());

  const api::Model& spec = job.spec.model;
  GptConfig config;
  config.layers = static_cast<uint32_t>(spec.layers);
  config.heads = static_cast<uint32_t>(spec.heads);
  config.channels = static_cast<uint32_t>(spec.embedding);
  config.context = static_cast<uint32_t>(spec.context);
  config.vocabulary = (*tokenizer)->vocabulary_size();
  const auto layout = gpt_layout(config);
  if (!layout) return tl::unexpected(layout.error());
  if (layout->elements != parameters->size()) {
    return fail(ErrorCode::kInvalid,
                checkpoint.string() + " holds " + std::to_string(parameters->size()) +
                    " parameters; the model of this job has " + std::to_string(layout->elements));
  }
  ThreadPool pool(static_cast<size_t>(options.threads));
  Gpt model(config, 1, {&pool, &best_kernels()});
  const auto prompt = (*tokenizer)->encode_all(options.prompt);
  if (!prompt) return tl::unexpected(prompt.error());
  auto tokens = generate(
      model, *parameters, *prompt,
      {.tokens = options.tokens, .temperature = options.temperature, .seed = options.seed});
  if (!tokens) return tl::unexpected(tokens.error());
  return (*tokenizer)->decode(*tokens);
}

}  // namespace ballast::cmd
