// Compiles one plain loop for several vector widths and picks the widest that the machine has. The
// bits are the same for all: every loop here is element by element, without contraction.
//
// BALLAST_DISPATCH(name, (parameters), (arguments)) defines `void name parameters`, which calls the
// always-inline `name_loop parameters` in the widest version. Stateless; any thread.
#pragma once

#if defined(__x86_64__)
#if defined(__clang__)
#define BALLAST_WIDEST "avx512f,avx512dq,avx512vl"
#else
#define BALLAST_WIDEST "avx512f,avx512dq,avx512vl,prefer-vector-width=512"
#endif
// clang-format off
#define BALLAST_DISPATCH(name, parameters, arguments) \
  __attribute__((target(BALLAST_WIDEST))) static void name##_avx512 parameters { \
    name##_loop arguments; \
  } \
  __attribute__((target("avx2"))) static void name##_avx2 parameters { name##_loop arguments; } \
  static void name##_base parameters { name##_loop arguments; } \
  static void name parameters { \
    static const auto chosen = \
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") ? &name##_avx512 \
        : __builtin_cpu_supports("avx2")                                         ? &name##_avx2 \
                                                                                 : &name##_base; \
    chosen arguments; \
  }
// clang-format on
#else
#define BALLAST_DISPATCH(name, parameters, arguments) \
  static void name parameters { name##_loop arguments; }
#endif

#define BALLAST_LOOP __attribute__((always_inline)) static inline void
