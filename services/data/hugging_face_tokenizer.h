// A tokenizer as files that Hugging Face's transformers and tokenizers load, with the same tokens
// for every text that is UTF-8. Pure; any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "services/data/tokenizer.h"

namespace ballast {

// `context`: the longest text in tokens that the model takes.
//   gpt2        vocab.json, merges.txt, and tokenizer_config.json for GPT2Tokenizer
//   byte        tokenizer.json: byte-level letters without merges
//   characters  tokenizer.json: a word each; bytes that are no UTF-8 have names like <0xff> there
std::vector<TokenizerFile> hugging_face_tokenizer(const Tokenizer& tokenizer, uint32_t context);

}  // namespace ballast
