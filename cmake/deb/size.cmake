# Run by cpack on the finished package. cpack follows links when it adds up Installed-Size, and so
# counts the binary once for each of its names: the package is packed again with the true size.
foreach(package ${CPACK_PACKAGE_FILES})
	set(tree ${package}.tree)
	execute_process(COMMAND dpkg-deb --raw-extract ${package} ${tree}
		COMMAND_ERROR_IS_FATAL ANY)
	execute_process(COMMAND du -sk --apparent-size --exclude=DEBIAN ${tree} OUTPUT_VARIABLE size
		COMMAND_ERROR_IS_FATAL ANY)
	string(REGEX MATCH "^[0-9]+" size ${size})
	file(READ ${tree}/DEBIAN/control control)
	string(REGEX REPLACE "Installed-Size: [0-9]+" "Installed-Size: ${size}" control
		"${control}")
	file(WRITE ${tree}/DEBIAN/control "${control}")
	execute_process(COMMAND dpkg-deb --root-owner-group --build ${tree} ${package}
		OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
	file(REMOVE_RECURSE ${tree})
endforeach()
