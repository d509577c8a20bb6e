# FsopProto.cmake: proto/fsop.proto turned into C, in the build tree. FSOP_PROTO_GENERATED lists the files.
set(generated "${PROJECT_BINARY_DIR}/generated")
set(FSOP_PROTO_GENERATED "${generated}/proto/fsop.pb-c.c" "${generated}/proto/fsop.pb-c.h")
file(MAKE_DIRECTORY "${generated}/proto")
add_custom_command(
        OUTPUT ${FSOP_PROTO_GENERATED}
        COMMAND "${PROTOC_C}" "--proto_path=${PROJECT_SOURCE_DIR}" "--c_out=${generated}" proto/fsop.proto
        DEPENDS "${PROJECT_SOURCE_DIR}/proto/fsop.proto"
        COMMENT "Generating fsop.pb-c.c and fsop.pb-c.h"
        VERBATIM)
# One owner, so that the three libraries that compile it do not each run the generator.
add_custom_target(proto_generated DEPENDS ${FSOP_PROTO_GENERATED})
# Somebody else's style: its warnings are not ours to mend.
set_source_files_properties("${generated}/proto/fsop.pb-c.c" PROPERTIES COMPILE_OPTIONS "-w")
target_include_directories(fsop_flags SYSTEM INTERFACE "${generated}" "${generated}/proto")
