-- code: refused_statement
DELETE FROM runs
;
-- code: refused_statement
INSERT INTO runs(id) VALUES ('x')
;
-- code: refused_statement
UPDATE runs SET id = 'x'
;
-- code: refused_statement
MERGE INTO runs USING events ON true WHEN MATCHED THEN DELETE
;
-- code: refused_statement
TRUNCATE runs
;
-- code: refused_statement
DROP VIEW runs
;
-- code: refused_statement
CREATE TABLE t AS SELECT * FROM runs
;
-- code: refused_statement
CREATE OR REPLACE VIEW runs AS SELECT 1
;
-- code: refused_statement
ALTER TABLE runs ADD COLUMN x INT
;
-- code: refused_statement
SELECT 1 INTO t
;
-- code: refused_statement
BEGIN
;
-- code: refused_statement
CHECKPOINT
;
-- code: refused_statement
VACUUM
;
-- code: refused_statement
CALL enable_logging()
;
-- code: refused_statement
INSTALL httpfs
;
-- code: refused_statement
LOAD httpfs
;
-- code: refused_statement
USE memory
;
-- code: refused_statement
EXPLAIN ANALYZE SELECT 1
;
-- code: refused_statement
CREATE SECRET s (TYPE s3)
;
-- code: refused_statement
GRANT SELECT ON runs TO PUBLIC
;
-- code: syntax
REPLACE INTO runs VALUES ('x')
;
-- code: refused_statement
COMMENT ON TABLE runs IS 'x'
;
-- code: refused_statement
ANALYZE runs
;
-- code: refused_statement
EXPLAIN SELECT 1
;
-- code: refused_statement
CREATE SEQUENCE s
;
-- code: refused_statement
CREATE TYPE t AS ENUM ('a')
;
-- code: refused_statement
CREATE SCHEMA s
;
-- code: refused_statement
ROLLBACK
;
-- code: refused_statement
FORCE CHECKPOINT
;
-- code: refused_statement
CREATE TRIGGER t AFTER INSERT ON runs FOR EACH ROW SELECT 1
