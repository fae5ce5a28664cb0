# cmake -DTEXTS="name=file;..." -DNAMESPACE=... -DHEADER=... -DOUTPUT=... -P EmbedTexts.cmake: writes a source file in
# which each name is a std::string_view of that file's text. HEADER declares the names.
set(content "#include \"${HEADER}\"\n\nnamespace ${NAMESPACE} {\n")
foreach(text ${TEXTS})
  string(REGEX MATCH "^([^=]*)=(.*)$" matched "${text}")
  set(name ${CMAKE_MATCH_1})
  file(READ ${CMAKE_MATCH_2} bytes HEX)
  string(REGEX REPLACE "(..)" "\\\\x\\1" bytes "${bytes}")
  # Lines of what compilers and people bear; the compiler joins them.
  string(REPEAT "." 96 line)
  string(REGEX REPLACE "(${line})" "\\1\"\n\"" bytes "${bytes}")
  string(APPEND content "\nconst std::string_view ${name} = std::string_view(\n\"${bytes}\");\n")
endforeach()
file(WRITE ${OUTPUT} "${content}\n}  // namespace ${NAMESPACE}\n")
