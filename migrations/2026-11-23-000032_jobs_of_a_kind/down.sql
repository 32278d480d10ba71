DROP INDEX jobs_others;
DROP INDEX jobs_answers;
