"""The program that the training job starts.

TASK 1  Parse with argparse: a folder for each channel (the default is what SageMaker put into SM_CHANNEL_X_TRAIN and
        its like), the model's folder (SM_MODEL_DIR), the checkpoints' folder, and the number of epochs.
TASK 2  Load the four arrays, create the network and call train_model of training.py.
"""
