-- What changed in a view is found without looking through all that did not.
CREATE INDEX member_since ON member (view_id, since);
CREATE INDEX member_until ON member (view_id, until) WHERE until IS NOT NULL;
