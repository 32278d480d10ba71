DROP TABLE meetings;
DROP TABLE closed_days;
DROP TABLE opening_hours;
DROP TABLE booking_settings;
