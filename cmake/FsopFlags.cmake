# FsopFlags.cmake: what every target of the project is compiled and linked with, as the interface target fsop_flags.
include(CheckCCompilerFlag)

add_library(fsop_flags INTERFACE)
target_compile_definitions(fsop_flags INTERFACE _GNU_SOURCE _FILE_OFFSET_BITS=64 FSOP_VERSION="${PROJECT_VERSION}" FSOPD_VERSION="${PROJECT_VERSION}")
# fsop_flags also says where headers are found: everything is included from the project's root, the public headers
# also by their installed names.
target_include_directories(fsop_flags INTERFACE
        "${PROJECT_SOURCE_DIR}" "${PROJECT_SOURCE_DIR}/client" "${PROJECT_SOURCE_DIR}/proto")

set(warnings
        -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wmissing-declarations -Wold-style-definition
        -Wpointer-arith -Wundef -Wvla -Wwrite-strings -Wformat=2 -Wimplicit-fallthrough -Wcast-align -Wnested-externs
        -Wredundant-decls -Wdate-time -Werror=implicit-function-declaration -Werror=incompatible-pointer-types
        -Werror=int-conversion -Werror=return-type
        -Wno-missing-field-initializers # a row of a table leaves out what it does not need
        # said by one compiler only; asked for where it knows them
        -Wlogical-op -Wduplicated-cond -Wduplicated-branches)
foreach(flag IN LISTS warnings)
        string(MAKE_C_IDENTIFIER "FSOP_HAS${flag}" known)
        check_c_compiler_flag("${flag}" ${known})
        if(${known})
                target_compile_options(fsop_flags INTERFACE "${flag}")
        endif()
endforeach()
if(FSOP_WERROR)
        target_compile_options(fsop_flags INTERFACE -Werror)
endif()

# A daemon that runs as root is hardened wherever it is built for use; sanitizers bring their own checks instead.
if(FSOP_SANITIZE)
        target_compile_options(fsop_flags INTERFACE
                "-fsanitize=${FSOP_SANITIZE}" -fno-omit-frame-pointer -fno-sanitize-recover=all -g -O1)
        target_link_options(fsop_flags INTERFACE "-fsanitize=${FSOP_SANITIZE}")
elseif(NOT CMAKE_BUILD_TYPE STREQUAL "Debug")
        set(hardening -fstack-protector-strong -fstack-clash-protection -fcf-protection)
        foreach(flag IN LISTS hardening)
                string(MAKE_C_IDENTIFIER "FSOP_HAS${flag}" known)
                check_c_compiler_flag("${flag}" ${known})
                if(${known})
                        target_compile_options(fsop_flags INTERFACE "${flag}")
                endif()
        endforeach()
        target_compile_options(fsop_flags INTERFACE -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3)
        target_link_options(fsop_flags INTERFACE -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack)
endif()
if(FSOP_FUZZ) # the code under test tells the fuzzer where it has been
        target_compile_options(fsop_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(FSOP_COVERAGE)
        target_compile_options(fsop_flags INTERFACE --coverage -O0)
        target_link_options(fsop_flags INTERFACE --coverage)
endif()
target_link_options(fsop_flags INTERFACE -Wl,--as-needed)
