# The loader of the collector language, and the built-in collectors as C++ constants made by it.
# Sets POSTGRES_QUERY_SOURCES, for the exporter's library.
sidecar_library(postgres_queries SOURCES load_metrics.cc load_queries.cc query_versions.cc sql_tokens.cc LINK sidecar::collect)
add_executable(generate_builtins generate_builtins.cc)
target_link_libraries(generate_builtins PRIVATE sidecar::postgres_queries)
file(GLOB definitions CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/collectors/*.toml)
set(builtins ${CMAKE_CURRENT_BINARY_DIR}/builtins.gen.cc)
add_custom_command(OUTPUT ${builtins}
                   COMMAND generate_builtins ${builtins} ${definitions}
                   DEPENDS generate_builtins ${definitions}
                   COMMENT "Built-in collectors from TOML"
                   VERBATIM)
set(POSTGRES_QUERY_SOURCES ${builtins} blocking_graph.cc check_queries.cc fair_share.cc last_rows.cc native.cc
    query_histograms.cc query_rows.cc query_values.cc run_query.cc setting_name.cc statement_tracker.cc
    collectors/blocking.cc collectors/settings.cc collectors/stat_statements.cc)
