"""What SQLAlchemy's and alembic's test suites may expect of this dialect, and what not.

Both have a suite for dialects that live outside of them (``sqlalchemy.testing.suite``,
``alembic.testing.suite``), and ask a class like this one what the back end can do. Where nothing is
said here, it is what the suites expect of every dialect. Needs alembic; nothing else imports it.
"""

# mypy: disallow-untyped-calls=False

from __future__ import annotations

from typing import Any

from alembic.testing.requirements import SuiteRequirements as AlembicRequirements
from sqlalchemy.testing.exclusions import closed, fails, open
from sqlalchemy.testing.requirements import SuiteRequirements


class Requirements(SuiteRequirements, AlembicRequirements):
    """The requirements of ``rome://``, for both suites."""

    # What suites do not expect by default, and SQLite's engine or ROME has

    array_type = closed()
    autocommit = open()
    autocommit_isolation = open()
    boolean_col_expressions = open()
    check_constraint_reflection = open()
    computed_columns = open()
    computed_columns_reflect_persisted = open()
    computed_columns_stored = open()
    computed_columns_virtual = open()
    ctes = open()
    ctes_with_values = open()
    date_historic = open()
    datetime_historic = open()
    datetime_literals = open()
    dbapi_lastrowid = open()
    emulated_lastrowid = open()
    emulated_lastrowid_even_with_sequences = open()
    except_ = open()
    expression_server_defaults = open()
    fetch_expression = open()
    fetch_offset_with_options = open()
    fk_constraint_option_reflection_ondelete_noaction = open()
    fk_constraint_option_reflection_ondelete_restrict = open()
    fk_constraint_option_reflection_onupdate_restrict = open()
    fk_deferrable = open()
    fk_deferrable_is_reflected = open()
    fk_ondelete_is_reflected = open()
    fk_onupdate_is_reflected = open()
    float_or_double_precision_behaves_generically = open()
    foreign_key_constraint_name_reflection = open()
    foreign_key_constraint_option_reflection_ondelete = open()
    foreign_key_constraint_option_reflection_onupdate = open()
    foreign_key_constraint_reflection = open()
    has_temp_table = open()
    index_ddl_if_exists = open()
    indexes_check_column_order = open()
    indexes_with_expressions = open()
    infinity_floats = open()
    inline_check_constraint_reflection = open()
    intersect = open()
    isolation_level = open()
    json_array_indexes = open()
    json_type = open()
    legacy_unconditional_json_extract = open()
    mod_operator_as_percent_sign = open()
    nullsordering = open()
    nvarchar_types = open()
    on_update_cascade = open()
    order_by_label_with_expression = open()
    percent_schema_names = open()
    precision_numerics_enotation_small = open()
    precision_numerics_retains_significant_digits = open()
    reflect_table_options = open()
    reflects_fk_options = open()
    reflects_pk_names = open()
    regexp_match = open()
    repeated_column_foreign_keys = open()
    savepoints = open()
    server_defaults = open()
    skip_autocommit_rollback = open()
    supports_bitwise_and = open()
    supports_bitwise_not = open()
    supports_bitwise_or = open()
    supports_bitwise_shift = open()
    supports_bitwise_xor = open()
    table_ddl_if_exists = open()
    temp_table_names = open()
    temporary_views = open()
    timestamp_microseconds = open()
    tuple_in = open()
    tuple_in_w_empty = open()
    unicode_ddl = open()
    unique_constraint_reflection = open()
    update_from = open()
    uuid_data_type = open()
    view_column_reflection = open()
    view_reflection = open()
    views = open()
    window_functions = open()

    # What suites expect by default, and SQLite's engine or ROME has not

    alter_column = closed("SQLite has no ALTER COLUMN; alembic's batch mode rebuilds the table")
    cast_precision_numerics_many_significant_digits = fails("SQLite's numbers are binary floats")
    fk_initially = closed("SQLite knows INITIALLY only after DEFERRABLE; the tests write it alone")
    fk_names = closed("SQLite gives an unnamed foreign key no name")
    implicitly_named_constraints = closed("SQLite gives an unnamed constraint no name")
    json_index_supplementary_unicode_element = closed("SQLite's JSON paths end at U+FFFF")
    nested_aggregates = closed("SQLite has no aggregate of an aggregate")
    parens_in_union_contained_select_w_limit_offset = fails("SQLite's grammar has no such parens")
    parens_in_union_contained_select_wo_limit_offset = fails("SQLite's grammar has no such parens")
    precision_numerics_many_significant_digits = fails("SQLite's numbers are binary floats")
    schemas = closed("a ROME database is one SQLite schema; there is nothing to attach")
    update_from_returning = closed("SQLite's RETURNING sees no other table of an UPDATE FROM")

    def get_order_by_collation(self, config: Any) -> str:
        """A collation that orders otherwise than a column's own, which is without case."""
        return "BINARY"
