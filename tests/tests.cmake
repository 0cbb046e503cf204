# tests/unit mirrors the tree: tests/unit/lib/base/test_map.c is one cmocka program, linked with the
# library of its folder. tests/wire has programs of its own with the golden vectors.
pkg_check_modules(cmocka REQUIRED IMPORTED_TARGET cmocka)

# kavka_tests(GLOB TARGET): one program and one ctest entry for each source file.
function(kavka_tests pattern)
	file(GLOB sources CONFIGURE_DEPENDS ${pattern})
	foreach(source ${sources})
		file(RELATIVE_PATH name ${CMAKE_SOURCE_DIR}/tests ${source})
		string(REGEX REPLACE "\\.c$" "" name ${name})
		string(REPLACE "/" "." test_name ${name})
		string(MAKE_C_IDENTIFIER ${name} target)
		add_executable(${target} ${source})
		target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/tests
			${CMAKE_SOURCE_DIR})
		target_link_libraries(${target} PRIVATE ${ARGN} PkgConfig::cmocka)
		target_compile_definitions(${target} PRIVATE TESTS_DIR="${CMAKE_SOURCE_DIR}/tests")
		add_test(NAME ${test_name} COMMAND ${target})
		set_tests_properties(${test_name} PROPERTIES TIMEOUT 300)
	endforeach()
endfunction()

kavka_tests(tests/unit/lib/base/test_*.c kavka_base)
kavka_tests(tests/unit/lib/wire/test_*.c kavka_wire)
kavka_tests(tests/wire/test_*.c kavka_wire)
add_test(NAME wire.test_schema
	COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tests/wire/test_schema.py)
kavka_tests(tests/unit/lib/net/test_*.c kavka_net PkgConfig::openssl)
kavka_tests(tests/unit/lib/client/test_*.c kavka_client)
foreach(folder config metrics log metadata replica raft controller group api server)
	kavka_tests(tests/unit/broker/${folder}/test_*.c kavka_broker_${folder})
endforeach()
if(TARGET kavka_cmd)
	kavka_tests(tests/unit/cmd/test_*.c kavka_cmd)
	kavka_tests(tests/unit/cmd/*/test_*.c kavka_cmd)
endif()

if(KAVKA_FUZZ)
	file(GLOB fuzz_sources CONFIGURE_DEPENDS tests/fuzz/fuzz_*.c)
	# What is fuzzed of the commands, without the broker that kavka_cmd brings along.
	file(GLOB fuzz_cmd_sources CONFIGURE_DEPENDS cmd/registry/avro_*.c cmd/registry/plain.c
		cmd/registry/json_text.c cmd/registry/protobuf*.c)
	add_library(kavka_fuzz_cmd STATIC EXCLUDE_FROM_ALL ${fuzz_cmd_sources} cmd/number_text.c
		cmd/utf8.c)
	target_include_directories(kavka_fuzz_cmd PUBLIC ${CMAKE_SOURCE_DIR})
	target_link_libraries(kavka_fuzz_cmd PUBLIC kavka_wire)
	foreach(source ${fuzz_sources})
		get_filename_component(target ${source} NAME_WE)
		add_executable(${target} ${source})
		target_link_options(${target} PRIVATE -fsanitize=fuzzer)
		target_link_libraries(${target} PRIVATE kavka_fuzz_cmd kavka_client)
	endforeach()
endif()

# Benchmark programs: run by tests/bench/run, not by ctest.
add_library(kavka_bench_peer STATIC EXCLUDE_FROM_ALL tests/bench/peer.c)
target_link_libraries(kavka_bench_peer PUBLIC kavka_wire)
foreach(bench produce fetch latency)
	add_executable(bench_${bench} EXCLUDE_FROM_ALL tests/bench/${bench}.c)
	target_link_libraries(bench_${bench} PRIVATE kavka_bench_peer)
endforeach()
add_custom_target(bench DEPENDS bench_produce bench_fetch bench_latency)

# Clients of the chaos test: run by tests/chaos/run, not by ctest.
pkg_check_modules(rdkafka QUIET IMPORTED_TARGET rdkafka)
add_executable(chaos_own EXCLUDE_FROM_ALL tests/chaos/own.c tests/chaos/history.c)
target_include_directories(chaos_own PRIVATE ${CMAKE_SOURCE_DIR}/tests)
target_link_libraries(chaos_own PRIVATE kavka_client)
add_custom_target(chaos DEPENDS chaos_own)
if(rdkafka_FOUND)
	add_executable(chaos_rdkafka EXCLUDE_FROM_ALL tests/chaos/rdkafka.c tests/chaos/history.c)
	target_include_directories(chaos_rdkafka PRIVATE ${CMAKE_SOURCE_DIR}/tests)
	target_link_libraries(chaos_rdkafka PRIVATE PkgConfig::rdkafka)
	add_dependencies(chaos chaos_rdkafka)
endif()
add_test(NAME chaos.checker
	COMMAND ${Python3_EXECUTABLE} ${CMAKE_SOURCE_DIR}/tests/chaos/test_checker.py)

# The simulator: cores of the broker on a model of the world, without libuv.
add_executable(sim_quorum tests/sim/quorum.c tests/sim/nodes.c tests/sim/packets.c tests/sim/disk.c
	tests/sim/world.c tests/sim/run.c)
target_include_directories(sim_quorum PRIVATE ${CMAKE_SOURCE_DIR}/tests)
target_link_libraries(sim_quorum PRIVATE kavka_broker_raft)
add_executable(sim_cluster tests/sim/cluster.c tests/sim/shards.c tests/sim/links.c
	tests/sim/servers.c tests/sim/clients.c tests/sim/producers.c tests/sim/consumers.c
	tests/sim/members.c tests/sim/team.c tests/sim/promises.c tests/sim/admin.c
	tests/sim/checks.c tests/sim/committed.c tests/sim/agreed.c tests/sim/disk.c
	tests/sim/world.c tests/sim/run.c)
target_include_directories(sim_cluster PRIVATE ${CMAKE_SOURCE_DIR}/tests)
target_link_libraries(sim_cluster PRIVATE kavka_broker_api)
add_test(NAME sim.quorum COMMAND sim_quorum --seeds 40 --seconds 30)
add_test(NAME sim.cluster COMMAND sim_cluster --seeds 20)
set_tests_properties(sim.quorum sim.cluster PROPERTIES TIMEOUT 600)
