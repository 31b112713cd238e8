install(DIRECTORY dialects lib ${CMAKE_BINARY_DIR}/dialects DESTINATION include/tern
  FILES_MATCHING PATTERN "*.h" PATTERN "*.td" PATTERN "*.inc" PATTERN "*.def" PATTERN CMakeFiles EXCLUDE)
install(DIRECTORY include DESTINATION include/tern FILES_MATCHING PATTERN "*.h")
set(dir ${CMAKE_INSTALL_LIBDIR}/cmake/Tern)
install(EXPORT TernTargets NAMESPACE tern:: DESTINATION ${dir})
configure_package_config_file(cmake/TernConfig.cmake.in TernConfig.cmake INSTALL_DESTINATION ${dir})
write_basic_package_version_file(TernConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/TernConfig.cmake ${CMAKE_BINARY_DIR}/TernConfigVersion.cmake DESTINATION ${dir})
