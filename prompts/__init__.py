"""The words the product says and the prompts the model reads: data, one template a file.

`answer_*.j2` make the model's prompt, `say/*.j2` are what the agent says without the model.
An operator replaces them one by one with a directory (FRONTDESK_PROMPTS_DIR).
"""
