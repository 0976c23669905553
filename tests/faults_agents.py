"""Deliberate mistakes in the MCP server."""

from tests.faults import SJC, Fault

TOOLS = "tests/backend/agents/test_tools.py"

FAULTS = [
    Fault(
        "a-client-leads-out-of-the-root",
        f"{SJC}/agents/tools.py",
        "if not path.is_relative_to(self.root):",
        "if False:",
        (f"{TOOLS}::test_links_lead_nowhere_outside",),
    ),
    Fault(
        "a-prompt-is-read-as-an-option",
        f"{SJC}/agents/tools.py",
        '*words_of(resolved), "--", given["prompt"])',
        '*words_of(resolved), given["prompt"])',
        (f"{TOOLS}::test_a_prompt_is_no_option",),
    ),
    Fault(
        "an-argument-of-another-kind-is-taken",
        f"{SJC}/agents/arguments.py",
        "return record.text(self.name, self.default)",
        "return str(record.values.get(self.name, self.default))",
        (f"{TOOLS}::test_one_line_for_what_cannot_be",),
    ),
]
