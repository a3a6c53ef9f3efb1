-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Changes made by plain SQL reach every node: a version that record_issued() compares makes it certain, a
-- notification on channel est makes it fast. Tables that are written with every certificate carry no such trigger.

-- A row, not a sequence: the number must become visible together with the change it counts
CREATE TABLE est.policy_version (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    version   bigint NOT NULL DEFAULT 1
);
INSERT INTO est.policy_version DEFAULT VALUES;

CREATE FUNCTION est.policy_changed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, est, pg_temp AS $$
DECLARE
    current bigint;
BEGIN
    UPDATE est.policy_version SET version = version + 1 RETURNING version INTO STRICT current;
    PERFORM pg_notify('est', 'policy ' || current);
    RETURN NULL;
END $$;

DO $$
DECLARE
    policy_table regclass;
BEGIN
    FOREACH policy_table IN ARRAY ARRAY['est.alias', 'est.certificate_profile', 'est.profile_subject_rule',
        'est.profile_san_rule', 'est.profile_extension', 'est.profile_extension_section', 'est.entity_group',
        'est.trust_anchor']::regclass[] LOOP
        EXECUTE format('CREATE TRIGGER policy_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON %s '
                       'FOR EACH STATEMENT EXECUTE FUNCTION est.policy_changed()', policy_table);
    END LOOP;
END $$;

-- client <user_name> for each client a statement changed (both names of a renamed one); clients, once, when they are
-- over 100
CREATE FUNCTION est.client_changed() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, est, pg_temp AS $$
DECLARE
    changed text[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        changed := ARRAY(SELECT n.user_name FROM new_rows n LIMIT 101);
    ELSIF TG_OP = 'DELETE' THEN
        changed := ARRAY(SELECT o.user_name FROM old_rows o LIMIT 101);
    ELSIF TG_OP = 'UPDATE' AND (SELECT count(*) FROM new_rows) <= 100 THEN
        changed := ARRAY(SELECT n.user_name FROM new_rows n UNION SELECT o.user_name FROM old_rows o);
    END IF;
    IF changed IS NULL OR (TG_OP <> 'UPDATE' AND cardinality(changed) > 100) THEN
        PERFORM pg_notify('est', 'clients');
    ELSE
        PERFORM pg_notify('est', 'client ' || user_name) FROM unnest(changed) AS user_name;
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER changed_insert AFTER INSERT ON est.client REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION est.client_changed();
CREATE TRIGGER changed_update AFTER UPDATE ON est.client REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION est.client_changed();
CREATE TRIGGER changed_delete AFTER DELETE ON est.client REFERENCING OLD TABLE AS old_rows
    FOR EACH STATEMENT EXECUTE FUNCTION est.client_changed();
CREATE TRIGGER changed_truncate AFTER TRUNCATE ON est.client FOR EACH STATEMENT EXECUTE FUNCTION est.client_changed();
