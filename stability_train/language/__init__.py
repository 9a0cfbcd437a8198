"""Causal language models: weights out of GGUF, the graph, precisions, answers, questions.

answers     What a language model answers: to a question by the likelihoods of its choices, and at every place of a text
gguf        Reads a GGUF file of a Llama-like language model: its sizes, its weights in float32, and its vocabulary
graph       A Llama as an ONNX graph: token ids in, the scores of the next token at every place out
harness     A language model for lm-evaluation-harness (EleutherAI's lm-eval, an extra): its LM interface, answered by
            ours
models      The front door to language models: the recipe and a user's own GGUF files, made into graphs once and kept
precisions  PRECISIONS of a language model's ONNX graph: what each rounds, and on what it computes
predictor   A language model in a runtime: texts to tokens, tokens to scores, and the likelihoods of continuations and
            texts
questions   Questions to a language model: PIQA, HellaSwag, WinoGrande and LAMBADA files in their published forms, and
            texts
tokens      A language model's tokenizer: made of what its GGUF file holds, or read from a tokenizer.json and held
            against it
"""
