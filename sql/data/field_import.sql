-- SPDX-License-Identifier: Apache-2.0
-- Kinds that are kept in sheets, and by what a row without an id finds its record (registry.kind_key). Projects have rules of their own.
DELETE FROM registry.kind_key;
INSERT INTO registry.kind_key (kind, place, fields, undo) VALUES
    ('enterprise', 1, '{credit_code}', NULL), ('enterprise', 2, '{name}', NULL),
    ('arrival', 1, '{project,voucher}', 'arrival_withdraw'),
    ('activity', 1, '{project,office,held_on,class,place}', NULL), ('activity', 2, '{project,office,held_on,class}', NULL),
    ('milestone', 1, '{project,class,name}', NULL), ('milestone', 2, '{project,class}', NULL),
    ('stagedate', 1, '{project,stage,office}', NULL),
    ('land', 1, '{project,place}', NULL), ('land', 2, '{project}', NULL),
    ('park', 1, '{no}', NULL), ('plot', 1, '{park,name}', NULL),
    ('station', 1, '{name,region}', NULL),
    ('valuechain', 1, '{name}', NULL), ('node', 1, '{chain,name}', NULL),
    ('link', 1, '{project,origin,class}', 'link_withdraw'),
    ('recognition', 1, '{enterprise,class,year}', 'recognition_withdraw'),
    -- one that comes every month has the same name and another day
    ('matter', 1, '{project,office,class,subject,due_on}', 'matter_withdraw'), ('matter', 2, '{office,class,subject,due_on}', 'matter_withdraw'),
    ('matter', 3, '{project,office,class,subject}', 'matter_withdraw'), ('matter', 4, '{office,class,subject}', 'matter_withdraw'),
    ('meeting', 1, '{office,class,held_on,name}', NULL), ('meeting', 2, '{office,class,held_on}', NULL),
    ('step', 1, '{project,stage}', NULL);
