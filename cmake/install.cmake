# Installation and packages, and what is generated from the option tables: manual and completions.
#
#	cmake --install BUILD --prefix /usr	binary, links, manual, completions, systemd unit
#	cpack -G DEB			the Debian package (in the build directory)
#	cmake --build BUILD -t tools		BUILD/bin-kafka/ with Apache's names, for tests
include(GNUInstallDirs)

# Apache's names of the commands, each also with ".sh".
set(KAVKA_LINKS kafka-topics kafka-console-producer kafka-console-consumer kafka-consumer-groups
	kafka-configs kafka-get-offsets kafka-delete-records kafka-broker-api-versions
	kafka-metadata-quorum kafka-features
	kafka-cluster
	kafka-server-start kafka-storage kafka-dump-log kafka-producer-perf-test
	kafka-consumer-perf-test kafka-verifiable-producer kafka-verifiable-consumer
	kafka-log-dirs kafka-leader-election kafka-reassign-partitions)

# Names that only old scripts call: cmd/old_names.c.
set(KAVKA_OLD_LINKS kafka-run-class zookeeper-server-start)

# ---- Links -----------------------------------------------------------------------------------
set(tools_dir ${CMAKE_BINARY_DIR}/bin-kafka)
set(tools_commands)
set(install_links)
foreach(name ${KAVKA_LINKS} ${KAVKA_OLD_LINKS})
	foreach(link ${name} ${name}.sh)
		list(APPEND tools_commands COMMAND ${CMAKE_COMMAND} -E create_symlink
			$<TARGET_FILE:kavka> ${tools_dir}/${link})
		string(APPEND install_links
			"execute_process(COMMAND \${CMAKE_COMMAND} -E create_symlink kavka
				\"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/${link}\")\n")
	endforeach()
endforeach()
add_custom_target(tools
	COMMAND ${CMAKE_COMMAND} -E make_directory ${tools_dir}
	${tools_commands}
	COMMAND ${CMAKE_COMMAND} -E create_symlink $<TARGET_FILE:kavka> ${tools_dir}/kavka
	DEPENDS kavka VERBATIM)

# ---- Manual ----------------------------------------------------------------------------------
# man/kavka-NAME.1.in with its @OPTIONS@ from the table of the command.
set(man_dir ${CMAKE_BINARY_DIR}/man)
file(MAKE_DIRECTORY ${man_dir})
file(GLOB man_templates CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/man/*.in)
set(man_pages)
foreach(template ${man_templates})
	get_filename_component(page ${template} NAME_WLE)
	set(generate $<TARGET_FILE:kavka> help --template ${template})
	if(page MATCHES "^kavka-([a-z-]+)\\.1$")
		list(APPEND generate --man ${CMAKE_MATCH_1})
	elseif(page MATCHES "\\.5$")
		list(APPEND generate --man-configs)
	else()
		list(APPEND generate --man-commands)
	endif()
	add_custom_command(OUTPUT ${man_dir}/${page}
		COMMAND ${generate} > ${man_dir}/${page}
		DEPENDS kavka ${template} VERBATIM)
	list(APPEND man_pages ${man_dir}/${page})
endforeach()

# ---- Completions -----------------------------------------------------------------------------
set(completion_dir ${CMAKE_BINARY_DIR}/completions)
file(MAKE_DIRECTORY ${completion_dir})
foreach(shell bash zsh fish)
	add_custom_command(OUTPUT ${completion_dir}/${shell}
		COMMAND $<TARGET_FILE:kavka> help --completion ${shell}
			--template ${CMAKE_SOURCE_DIR}/completions/${shell}.in
			> ${completion_dir}/${shell}
		DEPENDS kavka ${CMAKE_SOURCE_DIR}/completions/${shell}.in VERBATIM)
endforeach()
add_custom_target(docs ALL DEPENDS ${man_pages} ${completion_dir}/bash ${completion_dir}/zsh
	${completion_dir}/fish)

# ---- Installation ----------------------------------------------------------------------------
install(TARGETS kavka RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(CODE "${install_links}")
foreach(page ${man_pages})
	string(REGEX MATCH "[0-9]$" section ${page})
	install(FILES ${page} DESTINATION ${CMAKE_INSTALL_MANDIR}/man${section})
endforeach()

# The manual under Apache's names.
set(man_links)
foreach(pair topics:topics console-producer:producer console-consumer:consumer
		consumer-groups:groups configs:configs get-offsets:offsets
		delete-records:delete-records broker-api-versions:api-versions
		metadata-quorum:quorum features:features
		cluster:cluster
		server-start:broker storage:storage dump-log:dump
		producer-perf-test:perf consumer-perf-test:perf verifiable-producer:verify
		verifiable-consumer:verify log-dirs:log-dirs leader-election:elect
		reassign-partitions:reassign)
	string(REPLACE ":" ";" pair ${pair})
	list(GET pair 0 apache)
	list(GET pair 1 own)
	foreach(link kafka-${apache}.1 kafka-${apache}.sh.1)
		string(APPEND man_links
			"execute_process(COMMAND \${CMAKE_COMMAND} -E create_symlink kavka-${own}.1
				\"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_MANDIR}/man1/${link}\")\n")
	endforeach()
endforeach()
install(CODE "${man_links}")

# bash looks for a file of each command's name, fish too.
set(bash_dir ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
set(fish_dir ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
install(FILES ${completion_dir}/bash DESTINATION ${bash_dir} RENAME kavka)
install(FILES ${completion_dir}/fish DESTINATION ${fish_dir} RENAME kavka.fish)
install(FILES ${completion_dir}/zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions
	RENAME _kavka)
set(completion_links)
foreach(name ${KAVKA_LINKS})
	foreach(link ${name} ${name}.sh)
		string(APPEND completion_links
			"execute_process(COMMAND \${CMAKE_COMMAND} -E create_symlink kavka
				\"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${bash_dir}/${link}\")
			execute_process(COMMAND \${CMAKE_COMMAND} -E create_symlink kavka.fish
				\"\$ENV{DESTDIR}\${CMAKE_INSTALL_PREFIX}/${fish_dir}/${link}.fish\")\n")
	endforeach()
endforeach()
install(CODE "${completion_links}")

# The unit names files by their full paths, so it is made when the prefix is known. Configuration
# of /usr is in /etc.
install(CODE "
	if(CMAKE_INSTALL_PREFIX STREQUAL \"/usr\")
		set(etc /etc)
	else()
		set(etc \${CMAKE_INSTALL_PREFIX}/etc)
	endif()
	set(KAVKA_UNIT_BINARY \${CMAKE_INSTALL_PREFIX}/${CMAKE_INSTALL_BINDIR}/kavka)
	set(KAVKA_UNIT_CONFIG \${etc}/kavka/server.properties)
	configure_file(${CMAKE_SOURCE_DIR}/cmake/kavka-broker.service.in
		${CMAKE_BINARY_DIR}/kavka-broker.service @ONLY)
	file(INSTALL ${CMAKE_BINARY_DIR}/kavka-broker.service
		DESTINATION \${CMAKE_INSTALL_PREFIX}/lib/systemd/system)
	if(NOT EXISTS \"\$ENV{DESTDIR}\${etc}/kavka/server.properties\")
		file(INSTALL ${CMAKE_SOURCE_DIR}/cmake/server.properties DESTINATION \${etc}/kavka)
	endif()")
install(FILES ${CMAKE_SOURCE_DIR}/LICENSE ${CMAKE_SOURCE_DIR}/README.md
	DESTINATION ${CMAKE_INSTALL_DOCDIR} OPTIONAL)

# ---- The Debian package ----------------------------------------------------------------------
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME kavka)
set(CPACK_PACKAGE_CONTACT "The kavka authors <kavka@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Apache Kafka's tools and broker in one small program")
set(CPACK_PACKAGE_DESCRIPTION "kavka speaks Apache Kafka's protocol. It brings a broker that starts
in milliseconds, and commands under Apache's names (kafka-topics,
kafka-console-producer, kafka-console-consumer, kafka-consumer-groups,
kafka-storage) that work with any Kafka cluster.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# OpenSSL is loaded when TLS or SCRAM is asked for, which the tool that finds libraries cannot see.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "adduser, libssl3")
# Loaded when --metrics is given: see broker/server/http.c.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "libmicrohttpd12, libreadline8, libcurl4")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS bash-completion)
# Packages that bring commands of the same names.
set(CPACK_DEBIAN_PACKAGE_CONFLICTS "kafka, confluent-kafka, confluent-server")
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_SOURCE_DIR}/cmake/deb/postinst
	${CMAKE_SOURCE_DIR}/cmake/deb/prerm ${CMAKE_SOURCE_DIR}/cmake/deb/postrm
	${CMAKE_SOURCE_DIR}/cmake/deb/conffiles)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_PRE_BUILD_SCRIPTS ${CMAKE_SOURCE_DIR}/cmake/deb/stage.cmake)
set(CPACK_POST_BUILD_SCRIPTS ${CMAKE_SOURCE_DIR}/cmake/deb/size.cmake)
set(CPACK_COMPONENTS_ALL "")
include(CPack)
