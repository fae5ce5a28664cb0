#include "operator/cmd/sample_text.h"

#include <algorithm>
#include <span>
#include <vector>

#include "operator/cmd/checkpoint_model.h"
#include "services/engine/generate.h"

namespace ballast::cmd {

Result<std::string> sample_text(const std::filesystem::path& checkpoint,
                                const SampleOptions& options) {
  const auto model = open_checkpoint_model(checkpoint);
  if (!model) return tl::unexpected(model.error());
  const auto prompt = encode_prompt(*model->tokenizer, options.prompt);
  if (!prompt) return tl::unexpected(prompt.error());
  const size_t seen = std::min<size_t>(prompt->size(), model->config.context);
  ThreadPool pool(static_cast<size_t>(options.threads));
  Decoder decoder(model->config, model->parameters, {&pool, &best_kernels()});
  const auto tokens = generate(cached_logits(decoder), model->config, std::span(*prompt).last(seen),
                               {.tokens = options.tokens,
                                .seed = options.seed,
                                .sampling = {.temperature = options.temperature},
                                .told = {}});
  if (!tokens) return tl::unexpected(tokens.error());
  return model->tokenizer->decode(*tokens);
}

}  // namespace ballast::cmd
