"""Writes a language model that is small enough for any machine and says nothing sensible: its weights are drawn by lot.

tiny_llama.py FILE [SEED]
"""

import sys

import gguf
import numpy as np

LETTERS = [chr(c) for c in range(ord("a"), ord("z") + 1)]
WIDTH, LAYERS, HEADS, INNER, CONTEXT = 64, 2, 4, 128, 512


def vocabulary():
    tokens = [(b"<unk>", gguf.TokenType.UNKNOWN), (b"<s>", gguf.TokenType.CONTROL), (b"</s>", gguf.TokenType.CONTROL)]
    tokens += [(f"<0x{byte:02X}>".encode(), gguf.TokenType.BYTE) for byte in range(256)]
    tokens += [("\u2581".encode(), gguf.TokenType.NORMAL)]
    tokens += [(letter.encode(), gguf.TokenType.NORMAL) for letter in LETTERS]
    return tokens


def write(path, seed):
    draw = np.random.default_rng(seed)
    tokens = vocabulary()
    out = gguf.GGUFWriter(path, "llama")
    out.add_name("tiny")
    out.add_context_length(CONTEXT)
    out.add_embedding_length(WIDTH)
    out.add_block_count(LAYERS)
    out.add_feed_forward_length(INNER)
    out.add_head_count(HEADS)
    out.add_head_count_kv(HEADS)
    out.add_layer_norm_rms_eps(1e-5)
    out.add_rope_dimension_count(WIDTH // HEADS)
    out.add_vocab_size(len(tokens))
    out.add_tokenizer_model("llama")
    out.add_token_list([text for text, _ in tokens])
    out.add_token_scores([0.0] * len(tokens))
    out.add_token_types([kind for _, kind in tokens])
    out.add_bos_token_id(1)
    out.add_eos_token_id(2)
    out.add_unk_token_id(0)

    def matrix(rows, columns):
        return (draw.standard_normal((rows, columns)) / np.sqrt(columns)).astype(np.float32)

    ones = np.ones(WIDTH, dtype=np.float32)
    out.add_tensor("token_embd.weight", matrix(len(tokens), WIDTH))
    for layer in range(LAYERS):
        block = f"blk.{layer}."
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            out.add_tensor(f"{block}{name}.weight", matrix(WIDTH, WIDTH))
        out.add_tensor(f"{block}attn_norm.weight", ones)
        out.add_tensor(f"{block}ffn_norm.weight", ones)
        for name, shape in (("ffn_gate", (INNER, WIDTH)), ("ffn_up", (INNER, WIDTH)), ("ffn_down", (WIDTH, INNER))):
            out.add_tensor(f"{block}{name}.weight", matrix(*shape))
    out.add_tensor("output_norm.weight", ones)
    # Letters and blanks alone are ever said: what is said is text.
    said = matrix(len(tokens), WIDTH) * 4
    said[: -len(LETTERS) - 1] = 0
    out.add_tensor("output.weight", said)
    out.write_header_to_file()
    out.write_kv_data_to_file()
    out.write_tensors_to_file()
    out.close()


if __name__ == "__main__":
    write(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 7)
