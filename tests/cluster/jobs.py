"""Good and bad TrainingJobs: one table for `ballast validate` and for a real API server.

A row changes fields of the smallest job: path -> value, None removes. What is bad names the field that the user must
read in both answers, and words that must be in both.
"""

import copy

SMALLEST = {
    "apiVersion": "ballast.dev/v1alpha1",
    "kind": "TrainingJob",
    "metadata": {"name": "table"},
    "spec": {"data": {"train": ["/a.txt"]}},
}


def job(changes):
    made = copy.deepcopy(SMALLEST)
    for path, value in changes.items():
        *parents, last = path.split(".")
        place = made
        for parent in parents:
            place = place.setdefault(parent, {})
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    return made


T = "spec.training"
O = "spec.training.optimizer"
S = "spec.training.schedule"
MAX = 2**53

GOOD = {
    "the smallest": {},
    "sgd": {f"{O}.name": "sgd", f"{O}.momentum": "0.9", f"{O}.nesterov": True},
    "adam": {f"{O}.name": "adam", f"{O}.beta1": "0", f"{O}.beta2": "0.99999", f"{O}.epsilon": "1e-12"},
    "adagrad": {f"{O}.name": "adagrad", f"{O}.epsilon": "1"},
    "rmsprop": {f"{O}.name": "rmsprop", f"{O}.alpha": "0.9"},
    "decimals of all forms": {f"{O}.learningRate": "1.E-3", f"{O}.weightDecay": ".5", f"{T}.gradientClip": "0"},
    "a constant rate": {f"{S}.name": "constant"},
    "a rate that falls as a line": {f"{S}.name": "linear", f"{S}.warmupSteps": 0, f"{S}.minLearningRate": "1e-3"},
    "warm-up, stable, decay": {f"{S}.name": "warmupStableDecay", f"{S}.lengthSteps": 10, f"{S}.warmupSteps": 5,
                               f"{S}.decaySteps": 5},
    "warm-up of the whole length": {f"{S}.warmupSteps": 1000},
    "an inverse square root": {f"{S}.name": "inverseSquareRoot", f"{S}.warmupSteps": 10},
    "the exact gelu, dropout, less memory": {"spec.model.activation": "gelu", "spec.model.dropout": "0.1",
                                             f"{T}.recompute": True, "spec.data.maskDocumentStarts": True},
    "GPT-2's tokens": {"spec.data.tokenizer": "gpt2", "spec.data.vocabulary": "/vocabulary"},
    "characters, with a vocabulary": {"spec.data.tokenizer": "characters", "spec.data.vocabulary": "/vocabulary"},
    "nothing to evaluate on": {"spec.data.validationPercent": 0, f"{T}.evaluation.batches": 0},
    "the largest model": {"spec.model.layers": 256, "spec.model.heads": 256, "spec.model.embedding": 16384,
                          "spec.model.context": 65536},
    "the largest counts": {f"{T}.steps": MAX, f"{T}.seed": MAX, f"{T}.batch": 1 << 20, f"{T}.microbatches": 4096,
                           "spec.servers.replicas": 256, "spec.servers.replication": 3,
                           "spec.workers.replicas": 4096},
    "bounds": {"spec.workers.replicas": 2, "spec.workers.minReplicas": 2, "spec.workers.maxReplicas": 2},
    "small segments": {"spec.servers.segmentElements": 1024},
    "templates": {"spec.servers.template": {"spec": {"nodeSelector": {"disk": "fast"}}},
                  "spec.workers.template": {"metadata": {"labels": {"team": "language"}}}},
    "the rest": {"spec.checkpoint": {"everySteps": 10, "keep": 1, "path": "/checkpoints"},
                 "spec.network.trusted": True, "spec.backoffLimit": 0, "spec.activeDeadlineSeconds": 60,
                 "spec.suspend": True},
    "a name of 50 bytes": {"metadata.name": "a" * 50},
}

# what -> changes, field, words
BAD = {
    "a name that is too long": ({"metadata.name": "a" * 51}, "metadata.name", ["50"]),
    "a name with a dot": ({"metadata.name": "a.b"}, "metadata.name", ["lower-case letters"]),
    "a name that begins with a digit": ({"metadata.name": "1st"}, "metadata.name", ["beginning with a letter"]),
    "no spec": ({"spec": None}, "spec", []),
    "no text": ({"spec.data.train": None}, "spec.data.train", []),
    "an empty list of texts": ({"spec.data.train": []}, "spec.data.train", []),
    "an empty text": ({"spec.data.train": ["/a.txt", ""]}, "spec.data.train[1]", []),
    "a path with a control character": ({"spec.data.train": ["/a\n.txt"]}, "spec.data.train[0]", []),
    "a path that is too long": ({"spec.data.train": ["/" + "a" * 4096]}, "spec.data.train[0]", ["4096"]),
    "a misspelt key": ({f"{T}.gradiantClip": "1"}, "spec.training.gradiantClip", ["unknown"]),
    "a key of nobody": ({"spec.colour": "red"}, "spec.colour", ["unknown"]),
    "a word for a number": ({f"{T}.steps": "many"}, f"{T}.steps", []),
    "a fraction for a number": ({f"{T}.steps": 1.5}, f"{T}.steps", []),
    "a number for a decimal": ({f"{O}.learningRate": 1}, f"{O}.learningRate", ["string"]),
    "a word for a switch": ({"spec.suspend": "yes"}, "spec.suspend", []),
    "a list for a map": ({"spec.workers": []}, "spec.workers", []),
    "a list for a template": ({"spec.workers.template": []}, "spec.workers.template", []),
    "another model": ({"spec.model.family": "custom"}, "spec.model.family", ["gpt"]),
    "no layers": ({"spec.model.layers": 0}, "spec.model.layers", ["1"]),
    "too many layers": ({"spec.model.layers": 257}, "spec.model.layers", ["256"]),
    "too many heads": ({"spec.model.heads": 257}, "spec.model.heads", ["256"]),
    "heads that do not divide": ({"spec.model.heads": 3}, "spec.model.embedding", ["multiple of spec.model.heads"]),
    "too many channels": ({"spec.model.embedding": 16388}, "spec.model.embedding", ["16384"]),
    "too long a context": ({"spec.model.context": 65537}, "spec.model.context", ["65536"]),
    "another activation": ({"spec.model.activation": "relu"}, "spec.model.activation", ["geluTanh", "gelu"]),
    "all dropped": ({"spec.model.dropout": "1"}, "spec.model.dropout", ['below "1"']),
    "more than half for validation": ({"spec.data.validationPercent": 51}, "spec.data.validationPercent", ["50"]),
    "no such tokenizer": ({"spec.data.tokenizer": "bytes"}, "spec.data.tokenizer", ["byte", "gpt2"]),
    "no vocabulary": ({"spec.data.tokenizer": "gpt2"}, "spec.data.vocabulary", ["vocab.json and merges.txt"]),
    "a vocabulary of bytes": ({"spec.data.vocabulary": "/v"}, "spec.data.vocabulary", ["byte has no vocabulary"]),
    "no steps": ({f"{T}.steps": 0}, f"{T}.steps", ["1"]),
    "too many steps": ({f"{T}.steps": MAX + 1}, f"{T}.steps", []),
    "no batch": ({f"{T}.batch": 0}, f"{T}.batch", ["1"]),
    "a batch that does not divide": ({f"{T}.batch": 12}, f"{T}.batch", ["multiple of spec.training.microbatches"]),
    "microbatches, no power of two": ({f"{T}.microbatches": 6}, f"{T}.microbatches", ["power of two"]),
    "too many microbatches": ({f"{T}.microbatches": 8192}, f"{T}.microbatches", ["4096"]),
    "a negative seed": ({f"{T}.seed": -1}, f"{T}.seed", ["0"]),
    "a mode to come": ({f"{T}.mode": "async"}, f"{T}.mode", ["synchronous"]),
    "a clip that is no number": ({f"{T}.gradientClip": "small"}, f"{T}.gradientClip", []),
    "a negative clip": ({f"{T}.gradientClip": "-1"}, f"{T}.gradientClip", ['or "0" for none']),
    "a clip that is infinite": ({f"{T}.gradientClip": "1e999"}, f"{T}.gradientClip", []),
    "a decimal with blanks": ({f"{T}.gradientClip": " 1"}, f"{T}.gradientClip", []),
    "a decimal with a plus": ({f"{T}.gradientClip": "+1"}, f"{T}.gradientClip", []),
    "a decimal in hex": ({f"{T}.gradientClip": "0x1"}, f"{T}.gradientClip", []),
    "an empty decimal": ({f"{T}.gradientClip": ""}, f"{T}.gradientClip", []),
    "a decimal that is too long": ({f"{T}.gradientClip": "1." + "0" * 31}, f"{T}.gradientClip", []),
    "nothing to evaluate on": ({"spec.data.validationPercent": 0}, f"{T}.evaluation.batches",
                               ["validationPercent is 0"]),
    "evaluations in the past": ({f"{T}.evaluation.everySteps": -1}, f"{T}.evaluation.everySteps", ["0"]),
    "too long an evaluation": ({f"{T}.evaluation.batches": 1 << 21}, f"{T}.evaluation.batches", ["1048576"]),
    "no patience": ({f"{T}.maxSkippedInARow": 0}, f"{T}.maxSkippedInARow", ["1"]),
    "no such optimizer": ({f"{O}.name": "adamax"}, f"{O}.name", ["adamw"]),
    "an optimizer to come": ({f"{O}.name": "lion"}, f"{O}.name", ["adamw"]),
    "a negative rate": ({f"{O}.learningRate": "-1e-3"}, f"{O}.learningRate", ['"0" or more']),
    "too high a rate": ({f"{O}.learningRate": "1e7"}, f"{O}.learningRate", []),
    "a negative decay": ({f"{O}.weightDecay": "-1"}, f"{O}.weightDecay", ['"0" or more']),
    "a beta1 of 1": ({f"{O}.beta1": "1"}, f"{O}.beta1", ['below "1"']),
    "a beta2 above 1": ({f"{O}.beta2": "1.5"}, f"{O}.beta2", ['below "1"']),
    "an epsilon of 0": ({f"{O}.epsilon": "0"}, f"{O}.epsilon", ['above "0"']),
    "another's momentum": ({f"{O}.momentum": "0.9"}, f"{O}.momentum", ["belongs to the optimizer sgd"]),
    "another's nesterov": ({f"{O}.nesterov": True}, f"{O}.nesterov", ["belongs to the optimizer sgd"]),
    "another's alpha": ({f"{O}.alpha": "0.9"}, f"{O}.alpha", ["belongs to the optimizer rmsprop"]),
    "another's beta1": ({f"{O}.name": "sgd", f"{O}.beta1": "0.9"}, f"{O}.beta1", ["belongs to the optimizer adam"]),
    "another's beta2": ({f"{O}.name": "rmsprop", f"{O}.beta2": "0.9"}, f"{O}.beta2", ["the optimizer adam and adamw"]),
    "another's epsilon": ({f"{O}.name": "sgd", f"{O}.epsilon": "1e-8"}, f"{O}.epsilon", ["belongs to the optimizer"]),
    "nesterov without momentum": ({f"{O}.name": "sgd", f"{O}.nesterov": True}, f"{O}.nesterov",
                                  ['expected a momentum above "0"']),
    "a momentum of 1": ({f"{O}.name": "sgd", f"{O}.momentum": "1"}, f"{O}.momentum", ['below "1"']),
    "an alpha of 1": ({f"{O}.name": "rmsprop", f"{O}.alpha": "1"}, f"{O}.alpha", ['below "1"']),
    "no such schedule": ({f"{S}.name": "cosine"}, f"{S}.name", ["warmupCosine"]),
    "a constant rate with warm-up": ({f"{S}.name": "constant", f"{S}.warmupSteps": 1}, f"{S}.warmupSteps",
                                     ["belongs to the schedule"]),
    "a square root with a length": ({f"{S}.name": "inverseSquareRoot", f"{S}.lengthSteps": 1}, f"{S}.lengthSteps",
                                    ["belongs to the schedule"]),
    "another's decay": ({f"{S}.decaySteps": 1}, f"{S}.decaySteps", ["belongs to the schedule warmupStableDecay"]),
    "a constant rate with an end": ({f"{S}.name": "constant", f"{S}.minLearningRate": "0"}, f"{S}.minLearningRate",
                                    ["belongs to the schedule"]),
    "a warm-up that is longer than all": ({f"{S}.warmupSteps": 1001}, f"{S}.warmupSteps", ["at most lengthSteps"]),
    "a warm-up that is longer than the length": ({f"{S}.warmupSteps": 11, f"{S}.lengthSteps": 10},
                                                 f"{S}.warmupSteps", ["at most lengthSteps"]),
    "a schedule of no length": ({f"{S}.lengthSteps": 0}, f"{S}.lengthSteps", ["1"]),
    "no room for the decay": ({f"{S}.name": "warmupStableDecay", f"{S}.lengthSteps": 10, f"{S}.warmupSteps": 6,
                               f"{S}.decaySteps": 5}, f"{S}.decaySteps", ["at most lengthSteps - warmupSteps"]),
    "no room for the decay that is the default": (
        {f"{S}.name": "warmupStableDecay", f"{S}.warmupSteps": 900}, f"{S}.decaySteps", ["lengthSteps - warmupSteps"]),
    "no room beside the warm-up that is the default": (
        {f"{S}.name": "warmupStableDecay", f"{S}.decaySteps": 901}, f"{S}.decaySteps", ["lengthSteps - warmupSteps"]),
    "an end above the peak": ({f"{S}.minLearningRate": "1e-2"}, f"{S}.minLearningRate",
                              ["at most spec.training.optimizer.learningRate"]),
    "no servers": ({"spec.servers.replicas": 0}, "spec.servers.replicas", ["1"]),
    "too many servers": ({"spec.servers.replicas": 257}, "spec.servers.replicas", ["256"]),
    "more replicas than servers": ({"spec.servers.replication": 2}, "spec.servers.replication",
                                   ["at most spec.servers.replicas"]),
    "four replicas": ({"spec.servers.replication": 4, "spec.servers.replicas": 4}, "spec.servers.replication", ["3"]),
    "segments, no power of two": ({"spec.servers.segmentElements": 1025}, "spec.servers.segmentElements",
                                  ["power of two"]),
    "segments that are too small": ({"spec.servers.segmentElements": 512}, "spec.servers.segmentElements", ["1024"]),
    "no workers": ({"spec.workers.replicas": 0}, "spec.workers.replicas", ["1"]),
    "more workers than microbatches": ({"spec.workers.replicas": 9}, "spec.workers.replicas",
                                       ["spec.training.microbatches"]),
    "fewer workers than bounds": ({"spec.workers.minReplicas": 2}, "spec.workers.replicas",
                                  ["minReplicas to maxReplicas"]),
    "a bound above microbatches": ({"spec.workers.maxReplicas": 16}, "spec.workers.maxReplicas",
                                   ["at most spec.training.microbatches"]),
    "checkpoints in the past": ({"spec.checkpoint.everySteps": -1}, "spec.checkpoint.everySteps", ["0"]),
    "no checkpoint kept": ({"spec.checkpoint.keep": 0}, "spec.checkpoint.keep", ["1"]),
    "a checkpoint with a control character": ({"spec.checkpoint.path": "/a\tb"}, "spec.checkpoint.path", []),
    "a negative limit": ({"spec.backoffLimit": -1}, "spec.backoffLimit", ["0"]),
    "a negative deadline": ({"spec.activeDeadlineSeconds": -1}, "spec.activeDeadlineSeconds", ["0"]),
}

LENGTH = {f"{S}.lengthSteps": 1000}
# what -> the job before, changes of it, field that refuses (None: accepted), words. Only the API server sees these.
CHANGES = {
    "more workers": ({}, {"spec.workers.replicas": 4}, None, []),
    "other bounds": ({}, {"spec.workers.maxReplicas": 4}, None, []),
    "more servers": ({}, {"spec.servers.replicas": 4}, None, []),
    "suspend": ({}, {"spec.suspend": True}, None, []),
    "checkpoints": ({}, {"spec.checkpoint": {"everySteps": 5, "keep": 2, "path": "/c"}}, None, []),
    "policies": ({}, {"spec.backoffLimit": 1, "spec.activeDeadlineSeconds": 5}, None, []),
    "more steps": (LENGTH, {f"{T}.steps": 2000}, None, []),
    "more steps at a constant rate": ({f"{S}.name": "constant"}, {f"{T}.steps": 2000}, None, []),
    "more steps, and a schedule that would bend": ({}, {f"{T}.steps": 2000}, f"{T}.steps", ["would bend"]),
    "fewer steps": (LENGTH, {f"{T}.steps": 500}, f"{T}.steps", ["can only grow"]),
    "templates of a suspended job": ({"spec.suspend": True},
                                     {"spec.workers.template": {"spec": {"hostNetwork": True}}}, None, []),
    "templates when it goes on": ({"spec.suspend": True},
                                  {"spec.suspend": False, "spec.servers.template": {"spec": {}}}, None, []),
    "the workers' template": ({}, {"spec.workers.template": {"spec": {"hostNetwork": True}}},
                              "spec.workers.template", ["suspend"]),
    "the servers' template": ({"spec.servers.template": {"spec": {"a": 1}}},
                              {"spec.servers.template": {"spec": {"a": 2}}}, "spec.servers.template", ["suspend"]),
    "the model": ({}, {"spec.model.layers": 5}, "spec.model", ["immutable"]),
    "the data": ({}, {"spec.data.train": ["/b.txt"]}, "spec.data", ["immutable"]),
    "the tokenizer": ({}, {"spec.data.tokenizer": "characters"}, "spec.data", ["immutable"]),
    "the batch": ({}, {f"{T}.batch": 32}, f"{T}.batch", ["immutable"]),
    "the microbatches": ({}, {f"{T}.microbatches": 4}, f"{T}.microbatches", ["immutable"]),
    "the seed": ({}, {f"{T}.seed": 1}, f"{T}.seed", ["immutable"]),
    "the optimizer": ({}, {f"{O}.name": "sgd"}, O, ["immutable"]),
    "the learning rate": ({}, {f"{O}.learningRate": "1e-4"}, O, ["immutable"]),
    "a beta": ({}, {f"{O}.beta1": "0.8"}, O, ["immutable"]),
    "the schedule": ({}, {f"{S}.warmupSteps": 5}, S, ["immutable"]),
    "the clip": ({}, {f"{T}.gradientClip": "2"}, f"{T}.gradientClip", ["immutable"]),
    "the evaluation": ({}, {f"{T}.evaluation.batches": 5}, f"{T}.evaluation", ["immutable"]),
    "the recomputation": ({}, {f"{T}.recompute": True}, f"{T}.recompute", ["immutable"]),
    "the reproducibility": ({}, {f"{T}.reproducible": False}, f"{T}.reproducible", ["immutable"]),
    "the replication": ({"spec.servers.replicas": 3}, {"spec.servers.replication": 2}, "spec.servers.replication",
                        ["immutable"]),
    "the segments": ({}, {"spec.servers.segmentElements": 1024}, "spec.servers.segmentElements", ["immutable"]),
    "trust": ({}, {"spec.network.trusted": True}, "spec.network", ["immutable"]),
}
