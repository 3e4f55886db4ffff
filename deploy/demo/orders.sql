-- The orders database of the demo: what deploy/collectors/orders.toml reads.
--
--   createdb orders && psql -d orders -f deploy/demo/orders.sql
--
-- Counters must not fall when rows are purged, or Prometheus takes it for a restart and counts all
-- that is left once more. So whatever is deleted leaves its counts in deleted_totals, by triggers
-- that run once a DELETE or TRUNCATE; inserting and updating cost nothing more.
\set ON_ERROR_STOP on
BEGIN;

CREATE TABLE orders (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  customer     text NOT NULL,
  sku          text NOT NULL,
  status       text NOT NULL DEFAULT 'pending'
               CHECK (status IN ('pending', 'processing', 'shipped', 'completed', 'failed')),
  created_at   timestamptz NOT NULL DEFAULT now(),
  completed_at timestamptz,
  trace_id     text
);
CREATE INDEX ON orders (status);

CREATE TABLE payments (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  order_id     bigint NOT NULL,
  status       text NOT NULL CHECK (status IN ('success', 'failure')),
  amount       numeric(12, 2) NOT NULL,
  processed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE shipments (
  order_id     bigint PRIMARY KEY,
  requested_at timestamptz NOT NULL,
  arranged_at  timestamptz
);

CREATE TABLE order_errors (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  order_id     bigint NOT NULL,
  error        text NOT NULL,
  occurred_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE inventory (
  sku          text PRIMARY KEY,
  level        integer NOT NULL CHECK (level >= 0)
);

CREATE TABLE inventory_updates (
  id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  sku          text NOT NULL,
  change       integer NOT NULL,
  updated_at   timestamptz NOT NULL DEFAULT now()
);

-- What rows that are gone had been counted as. le is of a histogram's bucket, and 'sum'.
CREATE TABLE deleted_totals (
  metric       text NOT NULL,
  label        text NOT NULL DEFAULT '',
  value        double precision NOT NULL,
  PRIMARY KEY (metric, label)
);

CREATE FUNCTION deleted(metric text, label text DEFAULT '') RETURNS double precision
LANGUAGE sql STABLE AS $$
  SELECT coalesce(sum(t.value), 0) FROM deleted_totals t
   WHERE t.metric = deleted.metric AND t.label = deleted.label
$$;

CREATE FUNCTION keep_total(metric text, label text, value double precision) RETURNS void
LANGUAGE sql AS $$
  INSERT INTO deleted_totals AS t VALUES (metric, label, value)
  ON CONFLICT (metric, label) DO UPDATE SET value = t.value + excluded.value
$$;

-- The table's rows are in `gone`; its name is the argument.
CREATE FUNCTION keep_counts() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'TRUNCATE' THEN
    EXECUTE format('DELETE FROM %I', TG_TABLE_NAME);  -- through this trigger
    RETURN NULL;
  END IF;
  CASE TG_TABLE_NAME
    WHEN 'orders' THEN
      PERFORM keep_total('orders_created_total', '', count(*)) FROM gone;
      PERFORM keep_total('order_processing_seconds', le::text,
                         (SELECT count(*) FROM gone
                           WHERE completed_at - created_at <= make_interval(secs => le)))
         FROM unnest(ARRAY[0, 30, 60, 90, 120, 150, 180, 210, 240, 270, 300, 600, 1800]) AS le;
      PERFORM keep_total('order_processing_seconds', 'count', count(completed_at)),
              keep_total('order_processing_seconds', 'sum',
                         coalesce(sum(extract(epoch FROM completed_at - created_at)), 0))
         FROM gone;
    WHEN 'shipments' THEN
      PERFORM keep_total('shipping_arrangement_seconds', le::text,
                         (SELECT count(*) FROM gone
                           WHERE arranged_at - requested_at <= make_interval(secs => le)))
         FROM unnest(ARRAY[0, 60, 120, 180, 240, 300]) AS le;
      PERFORM keep_total('shipping_arrangement_seconds', 'count', count(arranged_at)),
              keep_total('shipping_arrangement_seconds', 'sum',
                         coalesce(sum(extract(epoch FROM arranged_at - requested_at)), 0))
         FROM gone;
    WHEN 'payments' THEN
      PERFORM keep_total('payments_processed_total', status, count(*)) FROM gone GROUP BY status;
    WHEN 'order_errors' THEN
      PERFORM keep_total('order_processing_errors_total', '', count(*)) FROM gone;
    WHEN 'inventory_updates' THEN
      PERFORM keep_total('inventory_updates_total', '', count(*)) FROM gone;
  END CASE;
  RETURN NULL;
END
$$;

DO $$
DECLARE
  counted text;
BEGIN
  FOREACH counted IN ARRAY
      ARRAY['orders', 'payments', 'shipments', 'order_errors', 'inventory_updates'] LOOP
    EXECUTE format('CREATE TRIGGER keep_counts AFTER DELETE ON %I REFERENCING OLD TABLE AS gone
                      FOR EACH STATEMENT EXECUTE FUNCTION keep_counts()', counted);
    EXECUTE format('CREATE TRIGGER keep_counts_truncate BEFORE TRUNCATE ON %I
                      FOR EACH STATEMENT EXECUTE FUNCTION keep_counts()', counted);
  END LOOP;
END
$$;

INSERT INTO inventory
SELECT 'sku-' || n, 100 FROM generate_series(1, 5) AS n;

-- The exporter's role is a member of pg_monitor.
GRANT SELECT ON orders, payments, shipments, order_errors, inventory, inventory_updates,
                deleted_totals TO pg_monitor;
COMMIT;
