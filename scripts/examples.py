"""The programs of the requirements, as requests and what must come back: shown by demo.py, checked by the
end-to-end tests. Those of the basic profile; each is a dictionary of

title       a sentence
tool        name of the tool
arguments   of the call
expect      fields of the answer with their exact values; nested dictionaries name some fields only
stdout      a part of the output that must be there
"""

FIBONACCI = """
def fibonacci(n):
    if n <= 1:
        return n
    return fibonacci(n-1) + fibonacci(n-2)

result = [fibonacci(i) for i in range(10)]
print("Fibonacci sequence:", result)
"""

STATISTICS = """
import statistics
data = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
mean = statistics.mean(data)
median = statistics.median(data)
stdev = statistics.stdev(data)

result = {
    'mean': mean,
    'median': median,
    'std_dev': stdev
}
print(f"Statistics: {result}")
"""

BUBBLE_SORT = """
def bubble_sort(arr):
    n = len(arr)
    for i in range(n):
        for j in range(0, n-i-1):
            if arr[j] > arr[j+1]:
                arr[j], arr[j+1] = arr[j+1], arr[j]
    return arr

test_data = [64, 34, 25, 12, 22, 11, 90]
result = bubble_sort(test_data.copy())
print(f"Sorted: {result}")
"""

LEIBNIZ = """
import math

def calculate_pi_leibniz(terms):
    pi_approx = 0
    for i in range(terms):
        pi_approx += ((-1) ** i) / (2 * i + 1)
    return pi_approx * 4

result = calculate_pi_leibniz(1000)
print(f"Pi approximation: {result}")
print(f"Difference from math.pi: {abs(result - math.pi)}")
"""


def execute(title, code, expect, stdout="", **arguments):
    return {
        "title": title,
        "tool": "execute_code",
        "arguments": {"code": code, **arguments},
        "expect": {"success": True, **expect},
        "stdout": stdout,
    }


def validate(title, code, expect):
    return {
        "title": title,
        "tool": "validate_code",
        "arguments": {"code": code},
        "expect": expect,
        "stdout": "",
    }


EXAMPLES = [
    execute(
        "Basic code execution",
        "result = 2 + 2\nprint(f'The answer is: {result}')",
        {"result": 4, "stdout": "The answer is: 4\n", "stderr": "", "variables": ["result"]},
        timeout=10,
        capture_output=True,
    ),
    execute(
        "Data analysis with one permitted import",
        "import math\ndata = [1, 2, 3, 4, 5]\nresult = sum(data) / len(data)\nprint(f'Average: {result}')",
        {"result": 3.0, "stdout": "Average: 3.0\n", "variables": ["data", "result"]},
        allowed_imports=["math"],
        timeout=15,
    ),
    execute(
        "Fibonacci numbers by recursion",
        FIBONACCI,
        {
            "result": [0, 1, 1, 2, 3, 5, 8, 13, 21, 34],
            "stdout": "Fibonacci sequence: [0, 1, 1, 2, 3, 5, 8, 13, 21, 34]\n",
            "variables": ["fibonacci", "result"],
        },
    ),
    execute(
        "Data analysis prototyping with statistics",
        STATISTICS,
        {"result": {"mean": 5.5, "median": 5.5, "std_dev": 3.0276503540974917}},
        "Statistics: {'mean': 5.5,",
    ),
    execute(
        "Algorithm testing: bubble sort",
        BUBBLE_SORT,
        {"result": [11, 12, 22, 25, 34, 64, 90], "stdout": "Sorted: [11, 12, 22, 25, 34, 64, 90]\n"},
    ),
    execute(
        "Mathematical computation: pi by Leibniz",
        LEIBNIZ,
        {"result": 3.140592653839794},
        "Difference from math.pi: 0.000999",
    ),
    execute("Batch: hello world", "print('Hello, World!')", {"stdout": "Hello, World!\n"}, timeout=5),
    execute("Batch: a sum", "result = sum(range(10))", {"result": 45}, timeout=5),
    execute(
        "Batch: pi on one line", "import math; print(math.pi)", {"stdout": "3.141592653589793\n"}, timeout=5
    ),
    execute("After a validation", "print('Safe code execution')", {"stdout": "Safe code execution\n"}),
    validate(
        "Validation refuses a dangerous program and says where",
        "import os\nos.system('rm -rf /')",
        {
            "validation": {
                "valid": False,
                "errors": ["Line 1: Import 'os' is not allowed"],
                "message": "Code contains restricted operations",
            },
            "analysis": {"line_count": 2, "character_count": 31, "estimated_complexity": "low"},
            "recommendations": ["Some operations may be restricted in sandbox environment"],
        },
    ),
    validate(
        "Validation of a dangerous line",
        "import os; os.system('ls')",
        {"validation": {"valid": False, "errors": ["Line 1: Import 'os' is not allowed"]}},
    ),
    validate(
        "Validation of a safe line",
        "print('Safe code execution')",
        {"validation": {"valid": True, "errors": [], "message": "Code passed validation"}},
    ),
    {
        "title": "Sandbox capabilities",
        "tool": "get_sandbox_info",
        "arguments": {},
        "expect": {
            "success": True,
            "security_profiles": {
                "basic": {"enabled": True},
                "data_science": {"enabled": False},
                "network": {"enabled": False},
                "filesystem": {"enabled": False},
            },
            "resource_limits": {"timeout": 30, "max_output_size": 1048576, "memory_limit": "128m"},
            "container_mode": {"enabled": False},
        },
        "stdout": "",
    },
]


def mismatches(expected, got, where="answer"):
    """Where @got differs from @expected, as a list of sentences. Dictionaries name some fields only."""
    if isinstance(expected, dict) and isinstance(got, dict):
        found = []
        for key, value in expected.items():
            if key not in got:
                found.append(f"{where}.{key} is missing")
            else:
                found += mismatches(value, got[key], f"{where}.{key}")
        return found
    if isinstance(expected, list) and isinstance(got, list) and where.endswith("recommendations"):
        got = got[: len(expected)]
    return [] if expected == got else [f"{where} is {got!r}, not {expected!r}"]


def judge(example, answer):
    """What is wrong with @answer, the structured content of the call, as a list of sentences."""
    found = mismatches(example["expect"], answer)
    if example["stdout"] not in answer.get("stdout", ""):
        found.append(f"stdout lacks {example['stdout']!r}")
    return found
