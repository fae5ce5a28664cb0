#include "operator/cmd/sample_text.h"

#include "services/checkpoint/checkpoint.h"
#include "services/data/corpus_tokenizer.h"
#include "services/data/tokenizer.h"
#include "services/engine/generate.h"
#include "services/engine/kernels.h"
#include "services/engine/parallel.h"

namespace ballast::cmd {
namespace {

// As the workers opened it, from the same cache.
Result<std::unique_ptr<Tokenizer>> open_tokenizer(const api::Data& data,
                                                  const std::filesystem::path& cache_folder) {
  if (data.tokenizer == "byte") return make_tokenizer(data.tokenizer);
  const auto corpus = expand_corpus(data.train);
  if (!corpus) return tl::unexpected(corpus.error());
  RealFileSystem files;
  TokenCacheOptions cache;
  cache.folder = cache_folder;
  return open_corpus_tokenizer(files, data.tokenizer, data.vocabulary, *corpus, cache);
}

// Text that is one line has no end of a line to begin from; then a document's begin it is.
Result<std::vector<Token>> encode_prompt(const Tokenizer& tokenizer, const std::string& prompt) {
  auto tokens = tokenizer.encode_all(prompt);
  if (!tokens && prompt == SampleOptions().prompt) {
    return std::vector<Token>{tokenizer.document_separator()};
  }
  return tokens;
}

}  // namespace

Result<std::string> sample_text(const api::TrainingJob& job,
                                const std::filesystem::path& checkpoint,
                                const SampleOptions& options) {
  const auto tokenizer = open_tokenizer(job.spec.data, options.cache_folder);
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
  const auto prompt = encode_prompt(**tokenizer, options.prompt);
  if (!prompt) return tl::unexpected(prompt.error());
  auto tokens = generate(
      model, *parameters, *prompt,
      {.tokens = options.tokens, .temperature = options.temperature, .seed = options.seed});
  if (!tokens) return tl::unexpected(tokens.error());
  return (*tokenizer)->decode(*tokens);
}

}  // namespace ballast::cmd
