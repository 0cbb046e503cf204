# kavka_wire_generate(TARGET): adds the structs and descriptors of lib/wire/schema to a target;
# whoever links with it finds them as "wire/messages.h".
find_package(Python3 3.9 REQUIRED COMPONENTS Interpreter)

function(kavka_wire_generate target)
	set(here ${CMAKE_SOURCE_DIR}/lib/wire)
	set(folder ${CMAKE_BINARY_DIR}/generated)
	file(GLOB_RECURSE schemas CONFIGURE_DEPENDS ${here}/schema/*)
	add_custom_command(
		OUTPUT ${folder}/wire/messages.h ${folder}/wire/messages.c
		COMMAND ${Python3_EXECUTABLE} ${here}/gen/generate.py ${here}/schema ${folder}
		DEPENDS ${schemas} ${here}/gen/generate.py ${here}/gen/schema.py
		COMMENT "Generating messages from lib/wire/schema")
	target_sources(${target} PRIVATE ${folder}/wire/messages.h ${folder}/wire/messages.c)
	target_include_directories(${target} PUBLIC ${folder})
endfunction()
