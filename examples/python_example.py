"""The same library from Python, by ctypes: no compiler is needed, and NumPy arrays go both ways."""
import sys

import numpy as np
import switchyard as sy

device = sys.argv[1] if len(sys.argv) > 1 else "cpu"
x = sy.tensor(np.arange(6, dtype=np.float32).reshape(2, 3), device=device, requires_grad=True)
(x * x).sum().backward()
print(np.asarray(x.grad).tolist())
print(sy.softmax(sy.tensor(np.zeros(4, np.float32), device=device)).shape)
