"""Writes layer_*_softmax64.safetensors: what the layers of layer_t*_b?.safetensors do with the softmax in double.

The released layer runs the router's softmax in float32 whatever the type of the rest, and so do the recorded layers: their
gates, and all that follows from them, carry float32's rounding (some 1e-7). A layer that is double throughout is
compared with these files instead, to 1e-12. Inputs are those of the recorded files; the same text with the softmax in
float32 must give the recorded numbers back, to 1e-14.

Needs PyTorch (recorded with 1.13): python3 make_layer.py
"""
import json
import pathlib
import struct

import torch

HERE = pathlib.Path(__file__).parent


def read(path):
    data = path.read_bytes()
    end = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:end])
    metadata = header.pop("__metadata__")
    tensors = {}
    for name, entry in header.items():
        begin, stop = (end + offset for offset in entry["data_offsets"])
        numbers = struct.unpack(f"<{(stop - begin) // 8}d", data[begin:stop])
        tensors[name] = torch.tensor(numbers, dtype=torch.float64).reshape(entry["shape"])
    return metadata, tensors


def write(path, metadata, tensors):
    header, data = {"__metadata__": metadata}, b""
    for name, tensor in tensors.items():
        numbers = tensor.reshape(-1).tolist()
        begin, data = len(data), data + struct.pack(f"<{len(numbers)}d", *numbers)
        header[name] = {"dtype": "F64", "shape": list(tensor.shape), "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def layer(m, t, softmax_type):
    """Outputs, gradients and parameters after the steps, head by head."""
    tokens, scaling = int(m["tokens"]), float(m["alpha"]) / int(m["rank"])
    x = t["x"].clone().requires_grad_()
    a, b, wg = params = [t[name].clone().requires_grad_() for name in ("a", "b", "wg")]
    adamw = torch.optim.AdamW(params, lr=float(m["lr"]), betas=(float(m["beta1"]), float(m["beta2"])), eps=float(m["eps"]),
                              weight_decay=float(m["weight_decay"]))
    result = {}
    for step in range(int(m["steps"])):
        y = torch.nn.functional.linear(x, t["w0"], t.get("bias"))
        route = torch.softmax(x @ wg.T, dim=-1, dtype=softmax_type).to(x.dtype)
        for i in range(int(m["heads"])):
            y = y + scaling * route[:, i:i + 1] * (x @ a.T @ b[i].T)
        loss = (y * t["probe"]).sum() / tokens
        adamw.zero_grad()
        x.grad = None
        loss.backward()
        if step == 0:
            result |= dict(y=y, route=route, dx=x.grad, da=a.grad.clone(), db=b.grad.clone(), dwg=wg.grad.clone())
        adamw.step()
    result |= dict(a_after=a, b_after=b, wg_after=wg, loss_last=loss.reshape(1))
    return {name: tensor.detach() for name, tensor in result.items()}


for recorded in sorted(HERE.glob("layer_t*_b?.safetensors")):
    metadata, tensors = read(recorded)
    for name, found in layer(metadata, tensors, torch.float32).items():
        assert torch.allclose(found, tensors[name], rtol=0, atol=1e-14 * max(1, tensors[name].abs().max())), (recorded, name)
    write(recorded.with_name(recorded.stem + "_softmax64.safetensors"), metadata, layer(metadata, tensors, torch.float64))
