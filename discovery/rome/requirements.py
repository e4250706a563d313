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


def _has() -> property:
    return property(lambda self: open())


def _has_not(reason: str) -> property:
    return property(lambda self: closed(reason))


def _fails(reason: str) -> property:
    return property(lambda self: fails(reason))


class Requirements(SuiteRequirements, AlembicRequirements):
    """The requirements of ``rome://``, for both suites.

    Properties, because the suites' decorators write into the objects that they are given: one that
    is shared would take what another test needs for a need of its own.
    """

    # What suites do not expect by default, and SQLite's engine or ROME has

    autocommit = _has()
    autocommit_isolation = _has()
    boolean_col_expressions = _has()
    check_constraint_reflection = _has()
    computed_columns = _has()
    computed_columns_reflect_persisted = _has()
    computed_columns_stored = _has()
    computed_columns_virtual = _has()
    ctes = _has()
    ctes_with_values = _has()
    date_historic = _has()
    datetime_historic = _has()
    datetime_literals = _has()
    dbapi_lastrowid = _has()
    emulated_lastrowid = _has()
    emulated_lastrowid_even_with_sequences = _has()
    except_ = _has()
    expression_server_defaults = _has()
    fetch_expression = _has()
    fetch_offset_with_options = _has()
    fk_constraint_option_reflection_ondelete_noaction = _has()
    fk_constraint_option_reflection_ondelete_restrict = _has()
    fk_constraint_option_reflection_onupdate_restrict = _has()
    fk_deferrable = _has()
    fk_deferrable_is_reflected = _has()
    fk_ondelete_is_reflected = _has()
    fk_onupdate_is_reflected = _has()
    float_or_double_precision_behaves_generically = _has()
    foreign_key_constraint_name_reflection = _has()
    foreign_key_constraint_option_reflection_ondelete = _has()
    foreign_key_constraint_option_reflection_onupdate = _has()
    foreign_key_constraint_reflection = _has()
    has_temp_table = _has()
    index_ddl_if_exists = _has()
    indexes_check_column_order = _has()
    indexes_with_expressions = _has()
    infinity_floats = _has()
    inline_check_constraint_reflection = _has()
    intersect = _has()
    isolation_level = _has()
    json_array_indexes = _has()
    json_type = _has()
    legacy_unconditional_json_extract = _has()
    mod_operator_as_percent_sign = _has()
    nullsordering = _has()
    nvarchar_types = _has()
    on_update_cascade = _has()
    order_by_label_with_expression = _has()
    percent_schema_names = _has()
    precision_numerics_enotation_small = _has()
    precision_numerics_retains_significant_digits = _has()
    reflect_table_options = _has()
    reflects_fk_options = _has()
    reflects_pk_names = _has()
    regexp_match = _has()
    repeated_column_foreign_keys = _has()
    savepoints = _has()
    server_defaults = _has()
    skip_autocommit_rollback = _has()
    supports_bitwise_and = _has()
    supports_bitwise_not = _has()
    supports_bitwise_or = _has()
    supports_bitwise_shift = _has()
    supports_bitwise_xor = _has()
    table_ddl_if_exists = _has()
    temp_table_names = _has()
    temporary_views = _has()
    timestamp_microseconds = _has()
    tuple_in = _has()
    tuple_in_w_empty = _has()
    unicode_ddl = _has()
    unique_constraint_reflection = _has()
    update_from = _has()
    uuid_data_type = _has()
    view_column_reflection = _has()
    view_reflection = _has()
    views = _has()
    window_functions = _has()

    # What suites expect by default, and SQLite's engine or ROME has not

    cast_precision_numerics_many_significant_digits = _fails("SQLite's numbers are binary floats")
    fk_initially = _has_not(
        "SQLite knows INITIALLY only after DEFERRABLE; the tests write it alone"
    )
    implicitly_named_constraints = _has_not("a CHECK without a name gets none")
    json_index_supplementary_unicode_element = _has_not("SQLite's JSON paths end at U+FFFF")
    nested_aggregates = _has_not("SQLite has no aggregate of an aggregate")
    parens_in_union_contained_select_w_limit_offset = _fails("SQLite's grammar has no such parens")
    parens_in_union_contained_select_wo_limit_offset = _fails("SQLite's grammar has no such parens")
    precision_numerics_many_significant_digits = _fails("SQLite's numbers are binary floats")
    schemas = _has_not("a ROME database is one SQLite schema; there is nothing to attach")
    update_from_returning = _has_not("SQLite's RETURNING sees no other table of an UPDATE FROM")

    def get_order_by_collation(self, config: Any) -> str:
        """A collation that orders otherwise than a column's own, which is without case."""
        return "BINARY"
