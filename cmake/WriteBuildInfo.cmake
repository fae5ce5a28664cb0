# cmake -DSOURCE=... -DVERSION=... -DOUTPUT=... -P WriteBuildInfo.cmake: writes build_info.cc when it changed.
set(revision unknown)
find_program(git git)
if(git)
  execute_process(COMMAND ${git} -C ${SOURCE} describe --always --dirty --abbrev=12 --exclude=*
    OUTPUT_VARIABLE described OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(NOT failed AND described MATCHES "^[0-9a-f]+(-dirty)?$")
    set(revision ${described})
  endif()
endif()
set(content "#include \"common/build_info/build_info.h\"

namespace ballast {

BuildInfo build_info() { return {.version = \"${VERSION}\", .revision = \"${revision}\"}; }

}  // namespace ballast
")
set(before "")
if(EXISTS ${OUTPUT})
  file(READ ${OUTPUT} before)
endif()
if(NOT content STREQUAL before)
  file(WRITE ${OUTPUT} "${content}")
endif()
