"""What AWS's image ``sagemaker-clarify-processing`` does for tables: bias metrics before and after training, SHAP
values and partial dependence, and what of them drifted from a baseline. The files' forms are those of AWS's guide."""
