// `--set path=value`: changes one field of a document before it is read. Pure functions.
#pragma once

#include <string_view>

#include "operator/api/document.h"

namespace ballast::api {

// "spec.workers.replicas=3", "spec.data.train.0=/a.txt", "spec.data.train=[/a, /b]". The value is
// typed as YAML would type it (empty: the field's default); a dot inside a key is written "\.".
Result<void> apply_override(Node& document, std::string_view assignment);

}  // namespace ballast::api
