DROP TABLE prompt_sections;
DROP TABLE prompt_bundles;
