"""Texts: perplexity, SysNoise's table 5.

perplexity  Perplexity of texts with its interval, and its change between two conditions, documents counting as evidence
published   SysNoise's table 5 as printed: language models on four tasks, accuracy in FP32 and what FP16 and INT8 take
table       SysNoise's table 5 from a run of questions: what FP16 and INT8 take from a language model's accuracy, by
            task
"""
