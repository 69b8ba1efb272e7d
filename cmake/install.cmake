include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

foreach(header IN LISTS HYDRALORA_HEADERS)
    get_filename_component(folder "${header}" DIRECTORY)
    install(FILES "${PROJECT_SOURCE_DIR}/include/${header}" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/${folder}")
endforeach()
install(FILES "${PROJECT_SOURCE_DIR}/LICENSE" DESTINATION "${CMAKE_INSTALL_DATADIR}/licenses/hydralora")

# Nothing here depends on the processor, so the package files live under share/.
set(package_dir "${CMAKE_INSTALL_DATADIR}/cmake/hydralora")
install(TARGETS hydralora EXPORT hydraloraTargets INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
install(EXPORT hydraloraTargets NAMESPACE hydralora:: DESTINATION "${package_dir}")
# A project that embeds us and exports a library of its own that links these two needs them in an export set. Their files are not
# installed: the package file defines hydralora::io wherever JSON is found, and compiles hydralora::compiled where it is asked for.
set(named_only COMPONENT hydralora_named_only EXCLUDE_FROM_ALL)
foreach(part io compiled)
    if(TARGET hydralora_${part})
        set_target_properties(hydralora_${part} PROPERTIES EXPORT_NAME ${part})
        install(TARGETS hydralora_${part} EXPORT hydralora_${part}
            ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" ${named_only}
            INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
        install(EXPORT hydralora_${part} NAMESPACE hydralora:: DESTINATION "${package_dir}" ${named_only})
    endif()
endforeach()
configure_package_config_file(
    "${PROJECT_SOURCE_DIR}/cmake/hydraloraConfig.cmake.in" "${PROJECT_BINARY_DIR}/hydraloraConfig.cmake"
    INSTALL_DESTINATION "${package_dir}" PATH_VARS CMAKE_INSTALL_INCLUDEDIR NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(
    "${PROJECT_BINARY_DIR}/hydraloraConfigVersion.cmake" COMPATIBILITY SameMinorVersion ARCH_INDEPENDENT)
install(
    FILES "${PROJECT_BINARY_DIR}/hydraloraConfig.cmake" "${PROJECT_BINARY_DIR}/hydraloraConfigVersion.cmake"
        "${PROJECT_SOURCE_DIR}/cmake/hydraloraCompiled.cmake" "${PROJECT_SOURCE_DIR}/cmake/hydraloraThrust.cmake"
        "${PROJECT_SOURCE_DIR}/cmake/hydraloraPcre2.cmake"
        "${PROJECT_SOURCE_DIR}/cmake/hydraloraCudnn.cmake"
    DESTINATION "${package_dir}")

# The prefix in the .pc file is relative to the file itself, so that an installed tree may be moved.
set(pkgconfig_dir "${CMAKE_INSTALL_DATADIR}/pkgconfig")
file(RELATIVE_PATH prefix_from_pc "/prefix/${pkgconfig_dir}" "/prefix")
configure_file("${PROJECT_SOURCE_DIR}/cmake/hydralora.pc.in" "${PROJECT_BINARY_DIR}/hydralora.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/hydralora.pc" DESTINATION "${pkgconfig_dir}")
