# Run by cpack between installation and packing: what Debian wants otherwise than `cmake --install`
# does it, compressed manual pages and a changelog.
set(share ${CPACK_TEMPORARY_DIRECTORY}/usr/share)

file(GLOB pages ${share}/man/man*/*.[0-9])
foreach(page ${pages})
	if(IS_SYMLINK ${page})
		file(READ_SYMLINK ${page} target)
		file(REMOVE ${page})
		file(CREATE_LINK ${target}.gz ${page}.gz SYMBOLIC)
	else()
		execute_process(COMMAND gzip -9n ${page} COMMAND_ERROR_IS_FATAL ANY)
	endif()
endforeach()

configure_file(${CMAKE_CURRENT_LIST_DIR}/changelog.in ${share}/doc/kavka/changelog @ONLY)
execute_process(COMMAND gzip -9n ${share}/doc/kavka/changelog COMMAND_ERROR_IS_FATAL ANY)
configure_file(${CMAKE_CURRENT_LIST_DIR}/copyright ${share}/doc/kavka/copyright COPYONLY)
file(REMOVE ${share}/doc/kavka/LICENSE)
