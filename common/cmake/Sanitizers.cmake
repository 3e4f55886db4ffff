# Memory errors are worth finding everywhere; UBSan on Beast, toml11 and CLI11 would only triple
# their compile time (117 s for Beast), so sidecar_heavy() leaves it out for those files.
# Not vptr: each first check of a type opens a pipe, which a test without free descriptors has not.
if(SIDECAR_SANITIZE STREQUAL "address")
  add_compile_options(-fsanitize=address,undefined -fno-sanitize=vptr -fno-sanitize-recover=all
                      -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=address,undefined)
elseif(SIDECAR_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=thread)
elseif(NOT SIDECAR_SANITIZE STREQUAL "")
  message(FATAL_ERROR "SIDECAR_SANITIZE is '', 'address' or 'thread', not '${SIDECAR_SANITIZE}'")
endif()

# Marks sources that include a heavy third-party header.
function(sidecar_heavy)
  if(SIDECAR_SANITIZE STREQUAL "address")
    set_property(SOURCE ${ARGN} APPEND PROPERTY COMPILE_OPTIONS -fno-sanitize=undefined -g0)
  endif()
endfunction()
