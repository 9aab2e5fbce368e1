CREATE DATABASE shop;
CREATE TABLE shop.item (id INT PRIMARY KEY, stock INT NOT NULL, note VARCHAR(200) NOT NULL) SELECT seq AS id, 0 AS stock, REPEAT('x', 200) AS note FROM shop.seq_1_to_1000;
