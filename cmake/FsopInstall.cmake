# FsopInstall.cmake: what goes where on a system.
include(CMakePackageConfigHelpers)

install(FILES client/fsop.h proto/fsop-types.h proto/fsop-errors.h DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(TARGETS fsop_shared fsop_static EXPORT fsop
        LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
install(TARGETS fsopd RUNTIME DESTINATION "${CMAKE_INSTALL_SBINDIR}")
install(TARGETS fsop RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}")

# pkg-config and CMake's find_package(fsop), for programs that use the library.
file(RELATIVE_PATH FSOP_PC_TO_PREFIX "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/") # cmake --install may be told another prefix
configure_file(packaging/fsop.pc.in "${PROJECT_BINARY_DIR}/fsop.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/fsop.pc" DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/fsop")
configure_package_config_file(packaging/fsop-config.cmake.in "${PROJECT_BINARY_DIR}/fsop-config.cmake"
        INSTALL_DESTINATION "${package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/fsop-config-version.cmake" COMPATIBILITY SameMajorVersion)
install(FILES "${PROJECT_BINARY_DIR}/fsop-config.cmake" "${PROJECT_BINARY_DIR}/fsop-config-version.cmake"
        DESTINATION "${package_dir}")
install(EXPORT fsop NAMESPACE fsop:: FILE fsop-targets.cmake DESTINATION "${package_dir}")

# The units name the daemon by its installed path. lib/ and not LIBDIR: systemd looks nowhere else.
configure_file(packaging/systemd/fsopd.service.in "${PROJECT_BINARY_DIR}/fsopd.service" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/fsopd.service" packaging/systemd/fsopd.socket
        DESTINATION lib/systemd/system)
install(FILES packaging/systemd/fsopd.sysusers DESTINATION lib/sysusers.d RENAME fsopd.conf)
install(FILES packaging/systemd/fsopd.tmpfiles DESTINATION lib/tmpfiles.d RENAME fsopd.conf)

# Completions come from the same table as the parser, so the program writes them itself.
set(completions "${PROJECT_BINARY_DIR}/completions")
add_custom_command(
        OUTPUT "${completions}/fsop.bash" "${completions}/_fsop" "${completions}/fsop.fish"
        COMMAND "${CMAKE_COMMAND}" -E make_directory "${completions}"
        COMMAND fsop completion bash > "${completions}/fsop.bash"
        COMMAND fsop completion zsh > "${completions}/_fsop"
        COMMAND fsop completion fish > "${completions}/fsop.fish"
        DEPENDS fsop VERBATIM)
add_custom_target(completions ALL DEPENDS "${completions}/fsop.bash")
set(data "${CMAKE_INSTALL_DATADIR}")
install(FILES "${completions}/fsop.bash" DESTINATION "${data}/bash-completion/completions" RENAME fsop)
install(FILES "${completions}/_fsop" DESTINATION "${data}/zsh/site-functions")
install(FILES "${completions}/fsop.fish" DESTINATION "${data}/fish/vendor_completions.d")
