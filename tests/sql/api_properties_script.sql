UPDATE api_properties SET prop_value = 'xxxx', prop_status = 1 WHERE prop_key = 'est.ca.server.user.profile';  -- certificate profile, id or name
UPDATE api_properties SET prop_value = '1',    prop_status = 1 WHERE prop_key = 'est.ca.server.group.id';      -- group, id
