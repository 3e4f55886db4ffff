# Release is the default: LTO for what ships, debug info in a file beside the binary, ccache if there.
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "Release or Debug" FORCE)
endif()
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -DNDEBUG -g1")
set(CMAKE_CXX_FLAGS_DEBUG "-O1")

# Archives of objects that are for the link-time pass only need the compiler's plugin.
set(CMAKE_AR ${CMAKE_CXX_COMPILER_AR})
set(CMAKE_RANLIB ${CMAKE_CXX_COMPILER_RANLIB})

find_program(SIDECAR_CCACHE ccache)
if(SIDECAR_CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${SIDECAR_CCACHE})
endif()

function(sidecar_ship target)
  if(CMAKE_BUILD_TYPE STREQUAL "Release" AND SIDECAR_SANITIZE STREQUAL "")
    target_link_options(${target} PRIVATE -Wl,--gc-sections -Wl,--as-needed -Wl,--build-id)
    add_custom_command(TARGET ${target} POST_BUILD
      COMMAND ${CMAKE_OBJCOPY} --only-keep-debug $<TARGET_FILE:${target}>
              $<TARGET_FILE:${target}>.debug
      COMMAND ${CMAKE_STRIP} --strip-debug $<TARGET_FILE:${target}>
      COMMAND ${CMAKE_OBJCOPY} --add-gnu-debuglink=$<TARGET_FILE:${target}>.debug
              $<TARGET_FILE:${target}>
      VERBATIM)
  endif()
endfunction()
