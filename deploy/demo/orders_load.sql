-- A moment in the life of a shop: some orders come in, most are paid, shipped and completed, a few
-- fail; stock goes down and is filled up; what is older than a day is purged. In a loop it is load:
--
--   while sleep 1; do psql -q -d orders -f deploy/demo/orders_load.sql; done
--
-- What takes minutes in a shop is dated back, so that the histograms have something to show.
\set ON_ERROR_STOP on
BEGIN;

INSERT INTO orders (customer, sku, created_at, trace_id)
SELECT 'customer-' || (random() * 1000)::int, 'sku-' || (1 + floor(random() * 5)),
       now() - make_interval(secs => random() ^ 3 * 400),
       md5(random()::text)
  FROM generate_series(1, 3 + (random() * 5)::int);

-- One in twenty is not paid.
WITH paid AS (
  INSERT INTO payments (order_id, status, amount)
  SELECT id, CASE WHEN random() < 0.05 THEN 'failure' ELSE 'success' END, 5 + random() * 200
    FROM orders WHERE status = 'pending'
  RETURNING order_id, status)
UPDATE orders SET status = CASE paid.status WHEN 'success' THEN 'processing' ELSE 'failed' END
  FROM paid WHERE paid.order_id = orders.id;

INSERT INTO order_errors (order_id, error)
SELECT id, 'payment refused' FROM orders o
 WHERE status = 'failed' AND NOT EXISTS (SELECT FROM order_errors e WHERE e.order_id = o.id);

-- Stock goes down by what is shipped, and is filled up in time, most often.
WITH sold AS (
  UPDATE orders SET status = 'shipped'
   WHERE status = 'processing' AND random() < 0.7
  RETURNING id, sku, created_at),
shipped AS (
  INSERT INTO shipments
  SELECT id, created_at, created_at + (now() - created_at) * random() FROM sold),
taken AS (
  UPDATE inventory SET level = greatest(0, level - s.count)
    FROM (SELECT sku, count(*) FROM sold GROUP BY sku) s WHERE inventory.sku = s.sku
  RETURNING inventory.sku, -s.count AS change)
INSERT INTO inventory_updates (sku, change) SELECT sku, change FROM taken;

WITH filled AS (
  UPDATE inventory SET level = level + 100 WHERE level < 20 AND random() < 0.5 RETURNING sku)
INSERT INTO inventory_updates (sku, change) SELECT sku, 100 FROM filled;

UPDATE orders SET status = 'completed', completed_at = now()
 WHERE status = 'shipped' AND random() < 0.7;

DELETE FROM orders WHERE completed_at < now() - interval '1 day';
DELETE FROM payments WHERE processed_at < now() - interval '1 day';
DELETE FROM shipments WHERE arranged_at < now() - interval '1 day';
DELETE FROM order_errors WHERE occurred_at < now() - interval '1 day';
DELETE FROM inventory_updates WHERE updated_at < now() - interval '1 day';
COMMIT;
