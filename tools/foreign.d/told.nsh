@echo -off
fs0:
echo the shell tells it to look
cede --check
echo the shell misspells it
cede --chekc
echo the shell reads its script
reset -s
