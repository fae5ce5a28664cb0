// For all sequences of calls: the work queue against a plain model, the store against a map.
#include <map>
#include <set>

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include "operator/core/object_store.h"
#include "operator/core/work_queue.h"

namespace ballast::kube {
namespace {

std::string key_of(int n) { return std::string(1, static_cast<char>('a' + n)); }

TEST(WorkQueueProperties, NoKeyIsWorkedOnTwiceAndNoneIsForgotten) {
  const bool holds = rc::check("work queue", [] {
    WorkQueue queue;
    std::set<std::string> owed;  // added since the last get of it
    std::map<std::string, TimeMs> later;
    std::set<std::string> in_work;
    TimeMs now = 0;
    const auto due = [&] {
      std::erase_if(later, [&](const auto& each) {
        if (each.second > now) return false;
        owed.insert(each.first);
        return true;
      });
    };
    const auto calls = *rc::gen::container<std::vector<std::pair<int, int>>>(
        rc::gen::pair(rc::gen::inRange(0, 5), rc::gen::inRange(0, 4)));
    for (const auto& [call, n] : calls) {
      const std::string key = key_of(n);
      now += 3;
      if (call == 0) {
        queue.add(key);
        owed.insert(key);
      } else if (call == 1) {
        queue.add_at(key, now + 10 * n);
        const auto [place, fresh] = later.try_emplace(key, now + 10 * n);
        if (!fresh) place->second = std::min(place->second, now + 10 * n);
      } else if (call == 2 && !in_work.empty()) {
        queue.done(*in_work.begin());
        in_work.erase(in_work.begin());
      } else {
        due();
        const auto got = queue.get(now);
        if (got) {
          RC_ASSERT(owed.erase(*got) == 1);
          RC_ASSERT(in_work.insert(*got).second);
        } else {
          for (const std::string& each : owed) RC_ASSERT(in_work.contains(each));
        }
      }
    }
    // Everything that is owed comes out in the end.
    now += 1000;
    due();
    for (const std::string& each : in_work) queue.done(each);
    while (const auto got = queue.get(now)) {
      RC_ASSERT(owed.erase(*got) == 1);
      queue.done(*got);
    }
    RC_ASSERT(owed.empty());
    RC_ASSERT(queue.in_work() == 0U);
    RC_ASSERT(queue.delayed() == 0U);
  });
  EXPECT_TRUE(holds);
}

TEST(ObjectStoreProperties, WhatIsToldIsEnoughToFollow) {
  const bool holds = rc::check("object store", [] {
    ObjectStore store;
    std::map<std::string, std::string> mirror;
    const auto calls = *rc::gen::container<std::vector<std::tuple<int, int, std::vector<int>>>>(
        rc::gen::tuple(rc::gen::inRange(0, 3), rc::gen::inRange(0, 4),
                       rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 5))));
    int version = 0;
    for (const auto& [call, n, names] : calls) {
      std::vector<std::string> changed;
      ++version;
      if (call == 0) {
        std::vector<Object> all;
        for (const int name : names) {
          all.push_back({"n", key_of(name), "u", std::to_string(version / 2), nullptr});
        }
        changed = store.replace(all);
        RC_ASSERT(store.all().size() == std::set<int>(names.begin(), names.end()).size());
      } else if (call == 1) {
        changed = store.put({"n", key_of(n), "u", std::to_string(version / 2), nullptr});
      } else {
        changed = store.remove({"n", key_of(n), "u", "", nullptr});
      }
      for (const std::string& key : changed) {
        const Object* found = store.find(key);
        if (found == nullptr) {
          mirror.erase(key);
        } else {
          mirror[key] = found->resource_version;
        }
      }
      std::map<std::string, std::string> held;
      for (const auto& [key, object] : store.all()) held[key] = object.resource_version;
      RC_ASSERT(held == mirror);
    }
  });
  EXPECT_TRUE(holds);
}

}  // namespace
}  // namespace ballast::kube
