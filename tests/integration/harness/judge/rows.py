# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Policy as it stands in the tables, read by plain SQL."""

import dataclasses
import types

CHILDREN = {"subject_rules": "profile_subject_rule", "san_rules": "profile_san_rule", "extensions": "profile_extension",
            "sections": "profile_extension_section", "requested": "profile_request_extension"}


@dataclasses.dataclass
class Policy:
    """What holds at an alias. Each row is a namespace with the columns of its table."""

    alias: object
    profile: object  # None: nothing is issued
    group: object
    subject_rules: list
    san_rules: list
    extensions: list
    sections: list
    requested: list  # of profile_request_extension


def table(database, name, where="true", params=(), order="id"):
    cursor = database.execute(f"SELECT * FROM est.{name} WHERE {where} ORDER BY {order}", *params, user="postgres")
    names = [column.name for column in cursor.description]
    return [types.SimpleNamespace(**dict(zip(names, row))) for row in cursor.fetchall()]


def read(database, *aliases):
    """alias name -> Policy, of these aliases or all"""
    found = table(database, "alias", "name = ANY (%s)" if aliases else "true", ([*aliases],) if aliases else ())
    profiles = {row.id: row for row in table(database, "certificate_profile")}
    groups = {row.id: row for row in table(database, "entity_group")}
    children = {}
    for member, name in CHILDREN.items():
        order = "position, id" if name.startswith("profile_extension") else "id"
        for row in table(database, name, order=order):
            children.setdefault((member, row.profile_id), []).append(row)
    return {alias.name: Policy(alias, profiles.get(alias.profile_id), groups.get(alias.group_id),
                               **{member: children.get((member, alias.profile_id), []) for member in CHILDREN})
            for alias in found}


def client(database, user):
    """Row of client, with groups: ids of the groups it belongs to; None"""
    found = table(database, "client", "user_name = %s", (user,))
    if not found:
        return None
    found[0].groups = {number for (number,) in database.rows("SELECT group_id FROM est.client_group WHERE client_id = %s", found[0].id,
                                                             user="postgres")}
    return found[0]


def entity(database, group, name):
    """Row of end_entity, None"""
    found = table(database, "end_entity", "group_id = %s AND name = %s", (group, name))
    return found[0] if found else None


def record(database, cert):
    """What is on record of a certificate: its row, that of the enrolment that issued it, and that of the entity; None"""
    serial = format(cert.serial_number, "x")
    found = table(database, "certificate", "serial = est.serial_parse(%s)", (serial,))
    if not found:
        return None
    row = found[0]
    row.enrollments = table(database, "enrollment", "certificate_id = %s", (row.id,), "at")
    row.entity = table(database, "end_entity", "id = %s", (row.entity_id,))[0]
    return row
